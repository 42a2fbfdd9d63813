/**
 * The gateway's ledger: what came, and what became of it. Whatever was acknowledged is in exactly one batch, and a batch's
 * events have exactly one disposition: none for want of listeners, else the drive of each model that listens.
 */
import { z } from 'zod';
import { Instant, ModelName, Sha256 } from './artifact.ts';
import { Trigger } from './lifecycle.ts';
import { Disposition } from './model.ts';

const word = z
  .string()
  .min(1)
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'must hold no control character');

/** What a Git forge says of a push. */
export const CodeChange = z.object({
  repository: z.string().max(500),
  branch: z.string().max(300),
  commit: z.string().max(100),
  /** Changed files; what a forge leaves out of a long list is not here. */
  paths: z.array(z.string().max(1_000)).max(5_000),
});
export type CodeChange = z.infer<typeof CodeChange>;

/** A CloudEvent 1.0, whatever it came as. */
export const GatewayEvent = z.object({
  id: word.max(200),
  source: word.max(300),
  type: word.max(200),
  subject: word.max(1_000).optional(),
  time: z.iso.datetime({ offset: true }).optional(),
  datacontenttype: word.max(200).optional(),
  dataschema: word.max(500).optional(),
  data: z.unknown().optional(),
  data_base64: z.string().optional(),
  extensions: z
    .record(
      z.string().regex(/^[a-z0-9]{1,20}$/, 'must be lower-case letters and digits'),
      z.string().max(1_000),
    )
    .optional(),
});
export type GatewayEvent = z.infer<typeof GatewayEvent>;

/** Who is told: `flights/event` or `flights/code`. Events of one target share drives. */
export const Target = z.templateLiteral([z.string(), '/', z.enum(['event', 'code'])]);
export type Target = z.infer<typeof Target>;

export const AcceptedEvent = z.object({
  /** Who sent it, as the gateway's settings name them: one cannot use up another's ids. */
  caller: z.string(),
  event: GatewayEvent,
  /** Over the event: the same id with another is a conflict. */
  digest: Sha256,
  /** Who listened when it was accepted; nobody: it is ignored by that. Null: nobody could be asked then, and `Heard` says it. */
  to: z.array(Target).nullable(),
});
export type AcceptedEvent = z.infer<typeof AcceptedEvent>;

/** `inbox/log/<thousands>/<seq>.json`: only who has read all before it can create the next. */
export const Batch = z.object({
  seq: z.int().nonnegative(),
  /** The process that wrote it. */
  by: z.string(),
  at: Instant,
  events: z.array(AcceptedEvent).min(1),
});
export type Batch = z.infer<typeof Batch>;

/**
 * `inbox/heard/<thousands>/<seq>.json`: who listens to those events of a batch that were accepted before anybody could be asked.
 * The first to know says it, for all gateways.
 */
export const Heard = z.object({
  seq: z.int().nonnegative(),
  at: Instant,
  /** In the order of the batch, of all its events. */
  to: z.array(z.array(Target)).min(1),
});
export type Heard = z.infer<typeof Heard>;

/**
 * `inbox/drives/<model>/<kind>/<n>.json`: which events one trigger carries: all of this target in the batches after `after`,
 * up to `upTo`. Drives of a target follow each other without a gap.
 */
export const Drive = z.object({
  n: z.int().positive(),
  after: z.int().min(-1),
  upTo: z.int().nonnegative(),
  events: z.int().positive(),
  model: ModelName,
  trigger: Trigger,
});
export type Drive = z.infer<typeof Drive>;

/** `inbox/driven/<model>/<kind>/<n>.json`: what the model's entity answered. */
export const Driven = z.object({ at: Instant, trigger: z.string(), disposition: Disposition });
export type Driven = z.infer<typeof Driven>;

/** `inbox/settled.json`: every batch before this one has its dispositions. Only grows. */
export const Settled = z.object({ before: z.int().nonnegative() });

/** What became of an event; null while a model is still to be told. */
export const EventDisposition = z.union([
  z.object({ status: z.literal('ignored'), why: z.string() }),
  z.object({
    status: z.literal('told'),
    models: z.array(z.object({ model: ModelName, trigger: z.string(), disposition: Disposition })),
  }),
]);
export type EventDisposition = z.infer<typeof EventDisposition>;
