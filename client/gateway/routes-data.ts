/** `/labels` and `/data/<source>`: rows that people and machines push. */
import type { FastifyRequest } from 'fastify';
import { ModelName } from '../../contracts/artifact.ts';
import type { Logger } from '../../infra/log.ts';
import { Refusal } from '../../infra/refusal.ts';
import type { Route } from './app.ts';
import { permit } from './callers.ts';
import type { Counts } from './counts.ts';
import type { Labels } from './labels.ts';
import type { Landing } from './landing.ts';

export interface DataDeps {
  labels: Labels;
  landing: Landing;
  counts: Counts;
  log: Logger;
}

export function dataRoutes({ labels, landing, counts, log }: DataDeps): Route[] {
  const take = async (model: string | undefined, { raw, body, caller }: FastifyRequest) => {
    if (!ModelName.safeParse(model).success)
      throw new Refusal(400, `say of which model the labels are: /labels?model=flights`);
    permit(caller, 'labels', model);
    const accepted = await durably(log, () => labels.accept(model!, raw.headers, body as Buffer));
    counts.accepted.labels += accepted;
    return { accepted };
  };
  return [
    {
      ...{ method: 'POST', url: '/labels', scope: 'labels' },
      handler: async (request, reply) => {
        const answer = await take((request.query as { model?: string }).model, request);
        return reply.code(202).send(answer);
      },
    },
    {
      // As the prediction server has it.
      ...{ method: 'POST', url: '/models/:model/labels', scope: 'labels' },
      handler: async (request, reply) =>
        reply.code(202).send(await take((request.params as { model: string }).model, request)),
    },
    {
      ...{ method: 'POST', url: '/data/:source', scope: 'data' },
      async handler(request, reply) {
        const { source } = request.params as { source: string };
        const { raw, body } = request;
        const landed = await durably(log, () => landing.accept(source, raw.headers, body as Buffer));
        if (landed.status === 'duplicate') counts.duplicates++;
        else counts.accepted.rows += landed.rows;
        return reply.code(landed.status === 'duplicate' ? 200 : 202).send(landed);
      },
    },
  ];
}

/** What is not the sender's fault is the store's: they send again. */
async function durably<T>(log: Logger, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    log.error({ err: error }, 'rows could not be stored');
    throw new Refusal(503, 'the store does not take rows now', 1);
  }
}
