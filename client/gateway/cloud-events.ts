/**
 * CloudEvents 1.0 over HTTP: binary, structured and batched mode, as requests bear them.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
 */
import type { IncomingHttpHeaders } from 'node:http';
import { GatewayEvent } from '../../contracts/inbox.ts';
import { Refusal } from '../../infra/refusal.ts';
import { jsonIn, mediaTypeOf } from './body.ts';

const batchAtMost = 1_000;
const known = new Set(['id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema']);

/** @returns undefined for a request that bears none. @throws Refusal 400, 415 */
export function cloudEventsIn(headers: IncomingHttpHeaders, body: Buffer): GatewayEvent[] | undefined {
  const type = mediaTypeOf(headers);
  if (type === 'application/cloudevents+json') return [structured(jsonIn(body), '')];
  if (type === 'application/cloudevents-batch+json') return batched(jsonIn(body));
  if (type.startsWith('application/cloudevents'))
    throw new Refusal(415, `CloudEvents are taken as JSON, not as ${type.slice(0, 100)}`);
  return headers['ce-specversion'] === undefined && headers['ce-id'] === undefined
    ? undefined
    : [binary(headers, type, body)];
}

function batched(value: unknown): GatewayEvent[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new Refusal(400, 'a batch of CloudEvents is a JSON array that holds at least one');
  if (value.length > batchAtMost)
    throw new Refusal(413, `the batch holds ${value.length} events; at most ${batchAtMost} are taken`);
  return value.map((one, i) => structured(one, `[${i}].`));
}

function structured(value: unknown, where: string): GatewayEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, `${where || 'the body '}must be a CloudEvent, a JSON object`);
  const { specversion, data, data_base64, ...attributes } = value as Record<string, unknown>;
  return event(specversion, attributes, { data, data_base64 }, where);
}

function binary(headers: IncomingHttpHeaders, type: string, body: Buffer): GatewayEvent {
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers))
    if (name.startsWith('ce-')) attributes[name.slice(3)] = decoded(name, String(value));
  const { specversion, ...others } = attributes;
  if (type) others['datacontenttype'] = headers['content-type'];
  return event(specversion, others, dataOf(type, body), 'ce-');
}

function dataOf(type: string, body: Buffer): { data?: unknown; data_base64?: string } {
  if (body.length === 0) return {};
  if (type === '' || type === 'application/json' || type.endsWith('+json')) return { data: jsonIn(body) };
  if (type.startsWith('text/')) return { data: body.toString('utf8') };
  return { data_base64: body.toString('base64') };
}

function event(
  specversion: unknown,
  attributes: Record<string, unknown>,
  data: { data?: unknown; data_base64?: unknown },
  where: string,
): GatewayEvent {
  if (specversion !== '1.0')
    throw new Refusal(
      400,
      `${where}specversion is ${JSON.stringify(specversion)?.slice(0, 50)}; it must be "1.0"`,
    );
  // JSON is what data is where nothing is said: both ways to say it are one event.
  const given = Object.entries(attributes).filter(
    ([name, value]) => value !== null && !(name === 'datacontenttype' && value === 'application/json'),
  );
  const extensions = given.filter(([name]) => !known.has(name)).map(([name, value]) => [name, plain(value)]);
  return checked(
    {
      ...Object.fromEntries(given.filter(([name]) => known.has(name))),
      ...Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined)),
      ...(extensions.length > 0 && { extensions: Object.fromEntries(extensions) as unknown }),
    },
    where,
  );
}

/** @throws Refusal 400 that names the attribute */
export function checked(value: unknown, where = ''): GatewayEvent {
  const { success, data, error } = GatewayEvent.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const missing = issue!.code === 'invalid_type' && issue.message.includes('undefined');
  throw new Refusal(400, `${where}${issue!.path.join('.')}: ${missing ? 'is missing' : issue!.message}`);
}

/** Extensions are strings, numbers and booleans. */
function plain(value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

/** Headers bear what is not ASCII percent-encoded (3.1.3.2). */
function decoded(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch (error) {
    if (error instanceof URIError) throw new Refusal(400, `${name} is not percent-encoded UTF-8`);
    throw error;
  }
}
