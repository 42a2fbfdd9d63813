/** Models, triggers and approvals by HTTP: what the command line does, under the name that the caller has proved. */
import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Instant, ModelName, Reason } from '../../contracts/artifact.ts';
import { RequestId } from '../../contracts/approval.ts';
import type { DecisionReceipt } from '../../contracts/approval.ts';
import { LedgerEntry } from '../../contracts/model.ts';
import { Refusal } from '../../infra/refusal.ts';
import { readJson } from '../../infra/store/json.ts';
import { NotFound } from '../errors.ts';
import type { Esteira } from '../index.ts';
import type { Route } from './app.ts';
import { jsonIn, mediaTypeOf } from './body.ts';
import { local } from './callers.ts';
import type { Listeners } from './listeners.ts';

const said = {
  reason: Reason.refine((text) => text.trim() !== '', 'must say why'),
  by: z.string().max(100).optional(),
};
export const TriggerBody = z.strictObject({ ...said, until: Instant.optional() });
export const DecisionBody = z.strictObject(said);
const Key = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/, 'must be 1 to 100 letters, digits, _, . and -');

/** Longer than any answer takes, while there is somebody to give it. */
const answerMs = 20_000;

export function peopleRoutes(esteira: Esteira, listeners: Listeners): Route[] {
  return routes(esteira, listeners).map(({ handler, ...route }) => ({
    ...route,
    handler: (request, reply) =>
      esteira.client.withDeadline(Date.now() + answerMs, async () => handler(request, reply)),
  }));
}

function routes(esteira: Esteira, listeners: Listeners): Route[] {
  return [
    {
      ...{ method: 'GET', url: '/models/:model', scope: 'read' },
      handler: ({ params }) => modelOf(esteira, (params as { model: string }).model),
    },
    {
      ...{ method: 'GET', url: '/listeners', scope: 'read' },
      handler: () => Object.fromEntries(listeners.rules),
    },
    {
      ...{ method: 'POST', url: '/models/:model/trigger', scope: 'trigger' },
      handler: async (request, reply) => reply.code(202).send(await trigger(esteira, request)),
    },
    {
      ...{ method: 'GET', url: '/approvals', scope: 'read' },
      handler: async () => ({ approvals: await esteira.approvals() }),
    },
    {
      ...{ method: 'GET', url: '/approvals/:model/:n', scope: 'read' },
      handler: ({ params }) => esteira.approval(requestIdIn(params)),
    },
    ...(['approve', 'reject'] as const).map((verb): Route => ({
      ...{ method: 'POST', url: `/approvals/:model/:n/${verb}`, scope: 'approve' },
      async handler(request, reply) {
        const { reason, by } = bodyOf(request, DecisionBody);
        const decision = { approved: verb === 'approve', by: signer(request, by), reason };
        const receipt = await esteira.decide(requestIdIn(request.params), decision);
        if (receipt.accepted) return receipt;
        return reply.code(refusalStatus[receipt.code]).send({ error: receipt.detail, ...receipt });
      },
    })),
  ];
}

const refusalStatus: Record<Extract<DecisionReceipt, { accepted: false }>['code'], number> = {
  malformed: 400,
  'not-an-approver': 403,
  'requester-may-not-approve': 403,
  'already-decided-by-you': 409,
  closed: 409,
};

async function modelOf(esteira: Esteira, model: string) {
  const described = ModelName.safeParse(model).success ? await esteira.describe(model) : undefined;
  if (!described) throw new NotFound(`no model ${model.slice(0, 80)} was ever run`);
  const { waitsFor, inFlight, pending, slots, versions, lifecycles, rollout } = described;
  return {
    ...{ model, waitsFor, inFlight, pending: pending?.trigger ?? null, lifecycles, slots, rollout },
    versions: versions.map(({ version, lifecycleId, quarantined }) => ({
      version,
      lifecycleId,
      quarantined,
    })),
  };
}

/** The same `Idempotency-Key` again is answered as the first time. */
async function trigger(esteira: Esteira, request: FastifyRequest) {
  const { model } = request.params as { model: string };
  if (!ModelName.safeParse(model).success) throw new NotFound(`no model ${model.slice(0, 80)} was ever run`);
  const { reason, by, until } = bodyOf(request, TriggerBody);
  const { success, data: key } = Key.safeParse(request.headers['idempotency-key'] ?? randomUUID());
  if (!success) throw new Refusal(400, 'Idempotency-Key must be 1 to 100 letters, digits, _, . and -');
  const id = `http/${key}`;
  const at = until ?? new Date().toISOString();
  const disposition = await esteira.trigger(model, {
    id,
    kind: 'manual',
    by: signer(request, by),
    reason,
    at,
  });
  const first =
    disposition.status === 'duplicate'
      ? (await readJson(esteira.store, `events/${model}/${id}.json`, LedgerEntry))?.value.disposition
      : undefined;
  return { trigger: id, disposition: first ?? disposition };
}

/** Whoever proves nothing may say a name, as on the command line; whoever has proved one has that. */
function signer({ caller }: FastifyRequest, by: string | undefined): string {
  if (caller === local) return by ?? local.name;
  if (by !== undefined && by !== caller.name)
    throw new Refusal(403, `${caller.name} may not sign as ${by}; leave out "by"`);
  return caller.name;
}

function requestIdIn(params: unknown): string {
  const { model, n } = params as { model: string; n: string };
  const { success, data } = RequestId.safeParse(`${model}/${n}`);
  if (!success) throw new NotFound(`there is no request ${model.slice(0, 80)}/${n.slice(0, 20)}`);
  return data;
}

function bodyOf<S extends z.ZodType>({ raw, body }: FastifyRequest, schema: S): z.infer<S> {
  if (mediaTypeOf(raw.headers) !== 'application/json')
    throw new Refusal(415, 'the body must be JSON, and say so: content-type: application/json');
  const { success, data, error } = schema.safeParse(jsonIn(body as Buffer));
  if (success) return data;
  const [issue] = error.issues;
  throw new Refusal(400, `${issue!.path.join('.') || 'the body'}: ${issue!.message}`);
}
