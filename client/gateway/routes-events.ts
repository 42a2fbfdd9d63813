/** `/events`: in whatever form they come, and what became of them. */
import type { FastifyRequest } from 'fastify';
import type { EventDisposition } from '../../contracts/inbox.ts';
import { Refusal } from '../../infra/refusal.ts';
import type { Route } from './app.ts';
import { permitSource } from './callers.ts';
import { cloudEventsIn } from './cloud-events.ts';
import type { Counts } from './counts.ts';
import type { Drives } from './drives.ts';
import type { Hearing } from './hearing.ts';
import type { Inbox, Receipt } from './inbox.ts';
import { webhookEvents } from './webhooks.ts';

export interface EventDeps {
  inbox: Inbox;
  hearing: Hearing;
  drives: Drives;
  counts: Counts;
}

/** What a sender learns of one event. */
export interface Told {
  id: string;
  source: string;
  status: Receipt['status'] | 'refused';
  /** Null while a model is still to be told. */
  disposition?: EventDisposition | null;
  error?: string;
}

export function eventRoutes(deps: EventDeps): Route[] {
  return [
    {
      ...{ method: 'POST', url: '/events', scope: 'events' },
      async handler(request, reply) {
        const told = await acceptAll(deps, request);
        const some = (status: Told['status']) => told.some((one) => one.status === status);
        reply.code(some('refused') ? 409 : some('accepted') ? 202 : 200);
        return told.length === 1 ? told[0] : { events: told };
      },
    },
    {
      ...{ method: 'GET', url: '/events', scope: 'read' },
      async handler({ query, caller }): Promise<Told> {
        const { source, id, sender = caller.name } = query as Record<string, string | undefined>;
        if (source === undefined || id === undefined)
          throw new Refusal(
            400,
            'say which event: ?source=…&id=…, and &sender=… for one that another caller sent',
          );
        if (sender !== caller.name && !caller.may.includes('admin'))
          throw new Refusal(
            403,
            `${caller.name} may not look at events of ${sender}; it needs "admin" in its may`,
          );
        const found = await deps.inbox.find(sender, source, id);
        if (!found)
          throw new Refusal(
            404,
            `no event "${id.slice(0, 200)}" of ${source.slice(0, 300)} was accepted from ${sender}`,
          );
        return { ...(await toldOf(deps, found)), status: 'accepted' };
      },
    },
  ];
}

async function acceptAll(deps: EventDeps, { raw, body, caller }: FastifyRequest): Promise<Told[]> {
  const bytes = body as Buffer;
  const events = cloudEventsIn(raw.headers, bytes) ?? webhookEvents(raw.headers, bytes, caller.name);
  for (const { source } of events) permitSource(caller, source);
  const settled = await Promise.allSettled(events.map((event) => deps.inbox.accept(caller.name, event)));
  const told: Told[] = [];
  for (const [i, one] of settled.entries()) {
    if (one.status === 'fulfilled') {
      if (one.value.status === 'duplicate') deps.counts.duplicates++;
      else deps.counts.accepted.events++;
      told.push(await toldOf(deps, one.value));
      continue;
    }
    // Whoever sent several is told of each; whoever sent one, or met a store that is away, sends again.
    const error: unknown = one.reason;
    if (events.length === 1 || !(error instanceof Refusal) || error.status !== 409) throw error;
    const { id, source } = events[i]!;
    told.push({ id, source, status: 'refused', error: error.message });
  }
  return told;
}

/** What was accepted this moment has no disposition but that of nobody listening. */
async function toldOf({ drives, hearing }: EventDeps, { status, seq, entry }: Receipt): Promise<Told> {
  const { event } = entry;
  const { id, source } = event;
  const fresh = status === 'accepted' && entry.to?.length !== 0;
  const to = fresh ? null : (entry.to ?? (await hearing.heardOf(seq, entry)));
  return { id, source, status, disposition: to && (await drives.dispositionOf(seq, { event, to })) };
}
