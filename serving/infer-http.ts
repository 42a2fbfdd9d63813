/**
 * Inference over HTTP, beside Fastify and on the same server: what is asked a thousand times a second goes from Node's
 * own request to its own response, for a framework's share of it would be a third.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../infra/log.ts';
import { Tail } from './binary.ts';
import { drained, readBody } from './body.ts';
import type { Catalogue, Host } from './catalogue.ts';
import type { Caller, Gate } from './gate.ts';
import { InexactNumber } from './decoder.ts';
import { encode } from './encoder.ts';
import { readEnvelope, wantedOutputs } from './envelope.ts';
import type { Envelope, Wanted } from './envelope.ts';
import { parseExactly, parseJson } from './json.ts';
import type { LoadedVersion } from './loaded-version.ts';
import { predict } from './predict.ts';
import type { Question } from './predict.ts';
import { rawRequest } from './raw-request.ts';
import { Refusal, shown } from '../infra/refusal.ts';
import { sentenceOf } from './rejects.ts';
import type { Tracing } from './tracing.ts';
import type { Rejects } from './rejects.ts';
import type { Rows } from './rows.ts';

export interface InferDeps {
  catalogue: Catalogue;
  log: Logger;
  rejects: Rejects;
  gate: Gate;
  tracing?: Tracing | undefined;
}

/** What a path asks for. */
export interface InferPath {
  model: string;
  version: string | undefined;
}

/** Callers ask for few: taking a path apart costs as much as some of the work. */
const known = new Map<string, InferPath>();
const knownAtMost = 1_000;

/** @returns undefined for every other path */
export function inferPath(url: string): InferPath | undefined {
  const before = known.get(url);
  if (before || !url.startsWith('/v2/models/')) return before;
  const path = takenApart(url);
  if (path && url.length < 300) {
    if (known.size >= knownAtMost) known.clear();
    known.set(url, path);
  }
  return path;
}

function takenApart(url: string): InferPath | undefined {
  const query = url.indexOf('?');
  const parts = (query === -1 ? url : url.slice(0, query)).split('/');
  const [, , , model, what, version, infer] = parts;
  if (parts.length === 5 && what === 'infer') return { model: decoded(model!), version: undefined };
  if (parts.length === 7 && what === 'versions' && infer === 'infer')
    return { model: decoded(model!), version: decoded(version!) };
  return undefined;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // names no model, and is told so
  }
}

export async function inferHttp(
  deps: InferDeps,
  path: InferPath,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { catalogue, gate } = deps;
  const trace = deps.tracing?.begin('POST /v2/models/{model}/infer', (name) => headerOf(request, name));
  try {
    const arrived = performance.now();
    const waits = gate.admit(callerOf(request), 'predict', path.model);
    if (waits) await waits;
    const host = hostOf(catalogue, path.model);
    const headerLength = headerLengthOf(request);
    const body = await readBody(request);
    const question = new HttpQuestion(host, request, body, headerLength, arrived);
    const prediction = await predict(catalogue, host, path.version, question);
    const { version, id, route, epoch, ran, wanted } = prediction;
    const started = performance.now();
    const parameters = { route, epoch };
    const answer = {
      model: host.name,
      version: String(version.version),
      id,
      parameters,
      outputs: ran.outputs,
    };
    const { json, tail } = encode(answer, wanted, version.nan);
    if (tail.length > 0 || question.binary) sendBinary(catalogue, response, json, tail);
    else send(catalogue, response, 200, json);
    version.times.encodeMs += performance.now() - started;
    trace?.answered(host.name, prediction);
  } catch (error) {
    const status = await refuse(deps, error, request, response);
    trace?.refused(status, sentenceOf(error, status));
  }
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

export function callerOf({ headers, socket }: IncomingMessage): Caller {
  return { authorization: headers.authorization, address: socket.remoteAddress };
}

/** @throws Refusal 404, 503 */
export function hostOf(catalogue: Catalogue, model: string): Host {
  const host = catalogue.host(model);
  if (host) return host;
  if (!catalogue.looked) throw new Refusal(503, 'this replica is starting, and does not know its models yet');
  const served = catalogue.hosts.map(({ name }) => name).join(', ') || 'none';
  throw new Refusal(404, `model ${shown(model)} is not served here; served: ${served}`);
}

/**
 * A page of a stranger may send any type but JSON from a browser that can reach us, and none at all, without asking
 * first; it cannot send a header of its own, nor hide where it is from.
 *
 * @returns the length of the JSON before binary tensors; undefined when all is JSON. @throws Refusal 400, 415
 */
function headerLengthOf({ headers }: IncomingMessage): number | undefined {
  const { 'content-encoding': encoding = 'identity', 'content-type': type } = headers;
  if (encoding !== 'identity') throw new Refusal(415, `bodies are taken as they are, not as "${encoding}"`);
  const given = headers['inference-header-content-length'];
  if (given !== undefined) {
    if (typeof given === 'string' && /^[0-9]{1,10}$/.test(given)) return Number(given);
    throw new Refusal(
      400,
      `Inference-Header-Content-Length is "${String(given)}", expected a number of bytes`,
    );
  }
  if (type === 'application/json' || type?.split(';')[0]?.trim().toLowerCase() === 'application/json')
    return undefined;
  if (type === 'application/octet-stream')
    throw new Refusal(400, 'binary tensors need the header Inference-Header-Content-Length');
  if (type === undefined && headers.origin === undefined) return undefined;
  throw new Refusal(
    415,
    'the body is taken as application/json, or as application/octet-stream with its header',
  );
}

/** A class, for its methods are made once: closures would be made for each request. */
class HttpQuestion implements Question {
  readonly id: string | undefined;
  readonly key: string | undefined;
  readonly time: string | undefined;
  readonly arrived: number;
  readonly deadline: number;
  /** Whether the answer is to be bytes. */
  readonly binary: boolean;
  readonly #json: Buffer;
  readonly #binary: Buffer | undefined;
  readonly #envelope: Envelope;

  /** @throws Refusal 400 */
  constructor(
    host: Host,
    request: IncomingMessage,
    body: Buffer,
    headerLength: number | undefined,
    arrived: number,
  ) {
    if (headerLength !== undefined && headerLength > body.length)
      throw new Refusal(
        400,
        `Inference-Header-Content-Length is ${headerLength}, the body has ${body.length} bytes`,
      );
    this.#json = headerLength === undefined ? body : body.subarray(0, headerLength);
    this.#binary = headerLength === undefined ? undefined : body.subarray(headerLength);
    const read = headerLength === 0 ? rawRequest(host, body.length) : parseJson(this.#json, request);
    const envelope = readEnvelope(read);
    this.#envelope = envelope;
    this.id = envelope.id;
    this.key = envelope.key;
    this.time = envelope.time;
    this.binary = envelope.binary;
    this.arrived = arrived;
    const timeoutMs = envelope.timeoutMs ?? timeoutOf(request);
    this.deadline = timeoutMs === undefined ? Infinity : arrived + timeoutMs;
  }

  read(version: LoadedVersion): Rows {
    try {
      return version.decode(this.#envelope.inputs, this.#tail());
    } catch (error) {
      if (!(error instanceof InexactNumber)) throw error;
      return version.decode(readEnvelope(parseExactly(this.#json)).inputs, this.#tail());
    }
  }

  wanted({ signature }: LoadedVersion): readonly Wanted[] {
    return wantedOutputs(signature, this.#envelope.outputs, this.#envelope.binary);
  }

  #tail(): Tail | undefined {
    return this.#binary && new Tail(this.#binary);
  }
}

/** As proxies name it, in ms; the request's own parameter goes before it. @throws Refusal 400 */
function timeoutOf({ headers }: IncomingMessage): number | undefined {
  const given = headers['x-request-timeout-ms'] ?? headers['x-envoy-expected-rq-timeout-ms'];
  if (given === undefined) return undefined;
  if (typeof given === 'string' && /^[1-9][0-9]{0,8}$/.test(given)) return Number(given);
  throw new Refusal(400, `the request's timeout is "${String(given)}", expected milliseconds above 0`);
}

function sendBinary(
  catalogue: Catalogue,
  response: ServerResponse,
  json: string,
  tail: readonly Buffer[],
): void {
  const head = Buffer.from(json, 'utf8');
  const length = tail.reduce((sum, bytes) => sum + bytes.length, head.length);
  if (catalogue.stopping) response.setHeader('connection', 'close');
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': head.length,
    'content-length': length,
  });
  response.write(head);
  for (const bytes of tail) response.write(bytes);
  response.end();
}

function send(catalogue: Catalogue, response: ServerResponse, status: number, json: string): void {
  // A replica that stops asks its callers to come back by another connection, which leads elsewhere.
  if (catalogue.stopping) response.setHeader('connection', 'close');
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(json),
  });
  response.end(json);
}

/** @returns the status that it was answered with */
async function refuse(
  { catalogue, log, rejects }: InferDeps,
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<number> {
  const gone = request.readableAborted; // and nobody is there to be told
  const status = gone ? 499 : rejects.count(error);
  if (gone) return status;
  if (!(error instanceof Refusal)) log.error({ err: error }, 'a request failed');
  await drained(request);
  const after = error instanceof Refusal ? error.retryAfter : undefined;
  if (after !== undefined) response.setHeader('retry-after', String(after));
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  send(catalogue, response, status, JSON.stringify({ error: sentenceOf(error, status) }));
  return status;
}
