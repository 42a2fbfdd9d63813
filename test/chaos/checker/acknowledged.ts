/**
 * What clients were told, and what was done to the system on purpose: the load and the nemesis write both down as
 * JSON lines, and the checker holds the system to them.
 *
 * Only an answer that arrived is acknowledged. A call that ended in an error promises nothing: leave it out.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { Sha256 } from '../../../contracts/artifact.ts';
import { EventDisposition } from '../../../contracts/inbox.ts';
import { DecisionReceipt } from '../../../contracts/approval.ts';
import { Disposition, RollbackAnswer } from '../../../contracts/model.ts';

const told = { at: z.iso.datetime() };

export const Acknowledged = z.discriminatedUnion('kind', [
  /** `disposition` is null for a signal: the server took it, nobody answered. */
  z.object({
    ...told,
    ...{ kind: z.literal('trigger'), model: z.string(), id: z.string() },
    disposition: Disposition.nullable(),
  }),
  /** `receipt` is null for a signal. */
  z.object({
    ...told,
    ...{ kind: z.literal('decision'), requestId: z.string(), by: z.string(), approved: z.boolean() },
    receipt: DecisionReceipt.nullable(),
  }),
  z.object({
    ...told,
    ...{ kind: z.literal('rollback'), model: z.string(), by: z.string(), answer: RollbackAnswer },
  }),
  z.object({
    ...told,
    ...{ kind: z.literal('prediction'), model: z.string(), ids: z.array(z.string()) },
    version: z.int().optional(),
  }),
  /** `value`: of all of them, where it was told once only. */
  z.object({
    ...told,
    ...{ kind: z.literal('label'), model: z.string(), ids: z.array(z.string()) },
    value: z.string().optional(),
  }),
  /** 202 or 200 of the gateway. `digest`: of the event that was sent; `disposition`: what the answer said of it. */
  z.object({
    ...told,
    ...{ kind: z.literal('event'), caller: z.string(), source: z.string(), id: z.string() },
    ...{ digest: Sha256, disposition: EventDisposition.nullable() },
  }),
  /** 409 of the gateway: the id was given to another event than the one with this digest. */
  z.object({
    ...told,
    ...{ kind: z.literal('event-conflict'), caller: z.string(), source: z.string(), id: z.string() },
    digest: Sha256,
  }),
  /** Rows that the gateway took; `ids` are in their column `id`. Without a key a second push is a second row. */
  z.object({
    ...told,
    ...{ kind: z.literal('push'), source: z.string(), key: z.string().nullable(), ids: z.array(z.string()) },
  }),
  /** 409 of the gateway: the key was used for another body than the one with this digest. */
  z.object({
    ...told,
    ...{ kind: z.literal('push-conflict'), source: z.string(), key: z.string(), digest: Sha256 },
  }),
  z.object({ ...told, kind: z.literal('cancel'), lifecycleId: z.string() }),
  /**
   * Bad input that was turned away. `id`: the workflow, trigger, prediction or label that must not exist; `model`:
   * a name that must not exist at all. `how`: the status and the sentence of the answer.
   */
  z.object({
    ...told,
    ...{ kind: z.literal('refused'), what: z.string(), how: z.string() },
    id: z.string().optional(),
    model: z.string().optional(),
  }),
  /**
   * A raw signal or update that the server took and that must change nothing. `message` is its name (`decide`,
   * `trigger`, `settled`, …), `by` whom it says it is from, `id` what it would have brought about, if it has one.
   */
  z.object({
    ...told,
    ...{ kind: z.literal('forged'), workflowId: z.string(), message: z.string() },
    by: z.string().optional(),
    id: z.string().optional(),
  }),
]);
export type Acknowledged = z.infer<typeof Acknowledged>;

/** @see kinds the checker knows; any other is counted in the table and means nothing to it. */
export const disturbanceKinds = [
  ...['kill', 'stop', 'cont', 'failpoint', 'clock'],
  ...['reset', 'terminate', 'cancel', 'activity-pause', 'activity-unpause', 'activity-reset'],
  /** An attempt that was thought dead came back and wrote: its refusal must be in a log. */
  'zombie',
] as const;

export const Disturbance = z.object({
  at: z.iso.datetime(),
  kind: z.string(),
  /** `worker`, `serving`, `temporal`; a workflow id; `<lifecycleId>/<stage>` for `zombie`. */
  target: z.string().optional(),
  detail: z.string().optional(),
});
export type Disturbance = z.infer<typeof Disturbance>;

/** Synchronous, so that a line is on its way to the disk before the next request is made. */
export function note(path: string, line: Acknowledged | Disturbance): void {
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}

export const readAcknowledged = (path: string): Acknowledged[] => lines(path, Acknowledged);
export const readDisturbances = (path: string): Disturbance[] => lines(path, Disturbance);

/** The last line may have been cut by a kill: then its caller was told nothing. */
function lines<S extends z.ZodType>(path: string, schema: S): z.infer<S>[] {
  const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return whole.map((line) => schema.parse(JSON.parse(line)));
}
