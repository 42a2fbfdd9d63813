/**
 * What others send in forms of their own, as CloudEvents: Git forges, Jenkins, S3 and MinIO. Their ids follow from what they
 * say, not from a header, which nobody signs: a delivery that is sent again is the same event.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { GatewayEvent } from '../../contracts/inbox.ts';
import { sha256 } from '../../infra/digest.ts';
import { Refusal } from '../../infra/refusal.ts';
import { jsonIn, mediaTypeOf } from './body.ts';
import { checked } from './cloud-events.ts';
import { githubEvent, gitlabEvent } from './forges.ts';
import { objectEvents } from './object-events.ts';

/** @param caller who sends: the source of what names none. @throws Refusal 400, 415 for a body of no form that is known here */
export function webhookEvents(headers: IncomingHttpHeaders, body: Buffer, caller: string): GatewayEvent[] {
  const type = mediaTypeOf(headers);
  // Any other may come from a page of a stranger in a browser that can reach us.
  if (type !== 'application/json')
    throw new Refusal(
      415,
      `the body is ${JSON.stringify(type.slice(0, 100))}; events are taken as application/json`,
    );
  const value = jsonIn(body);
  const id = sha256(body);
  const forge = headers['x-github-event'] ?? headers['x-gitea-event'];
  if (typeof forge === 'string') return checkedAll([githubEvent(forge, value, id)]);
  if (typeof headers['x-gitlab-event'] === 'string') return checkedAll([gitlabEvent(value, id)]);
  const objects = objectEvents(value);
  if (objects) return checkedAll(objects);
  const build = jenkinsEvent(value, id);
  if (build) return checkedAll([build]);
  const plain = standardEvent(headers, value, caller);
  if (plain) return checkedAll([plain]);
  throw new Refusal(
    400,
    'this is no event: send a CloudEvent (its headers begin with ce-, or its type is application/cloudevents+json), or the webhook of GitHub, GitLab, Gitea, Jenkins, S3 or MinIO',
  );
}

const checkedAll = (events: GatewayEvent[]): GatewayEvent[] => events.map((one) => checked(one));

const Build = z.object({
  name: z.string(),
  build: z.object({
    full_url: z.string().optional(),
    number: z.number(),
    phase: z.string(),
    status: z.string().optional(),
    timestamp: z.number().optional(),
    scm: z.object({ url: z.string(), branch: z.string(), commit: z.string() }).partial().optional(),
  }),
});

/** Of its Notification plugin, in JSON. */
function jenkinsEvent(value: unknown, id: string): GatewayEvent | undefined {
  const { data } = Build.safeParse(value);
  if (!data) return undefined;
  const { name, build } = data;
  const { full_url, number, phase, status, timestamp, scm } = build;
  return {
    id,
    source: full_url ? new URL('/', full_url).href : 'jenkins',
    type: `io.jenkins.build.${(status ?? phase).toLowerCase()}`,
    subject: name,
    ...(timestamp !== undefined && { time: new Date(timestamp).toISOString() }),
    data: { number, phase, status, ...scm },
  };
}

const Standard = z.object({ type: z.string(), timestamp: z.string().optional(), data: z.unknown() });

/** As the Standard Webhooks write payloads: the id is in a header, and signed. */
function standardEvent(
  { 'webhook-id': id }: IncomingHttpHeaders,
  value: unknown,
  caller: string,
): GatewayEvent | undefined {
  const { data: said } = Standard.safeParse(value);
  if (!said || typeof id !== 'string') return undefined;
  const { type, timestamp: time, data } = said;
  return { id, source: caller, type, data, ...(time !== undefined && { time }) };
}
