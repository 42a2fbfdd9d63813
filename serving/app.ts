/** The HTTP side: routes, and errors as the protocol wants them. Connections are kept after a refusal. */
import Fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { z } from 'zod';
import { Label } from '../contracts/serving.ts';
import { connectionTimes, refuseConnection } from '../infra/connections.ts';
import type { Logger } from '../infra/log.ts';
import { version } from '../infra/version.ts';
import { bodyLimit, drained, tooLarge } from './body.ts';
import type { Scope } from './access.ts';
import type { Catalogue } from './catalogue.ts';
import type { Gate } from './gate.ts';
import { callerOf, hostOf, inferHttp, inferPath } from './infer-http.ts';
import { readCsv } from './invocation-csv.ts';
import { addInvocationRoutes } from './invocations.ts';
import { parseJson, parsePythonJson } from './json.ts';
import { named } from './predict.ts';
import { Refusal, shown } from '../infra/refusal.ts';
import { sentenceOf } from './rejects.ts';
import type { Rejects } from './rejects.ts';
import { isWhole } from './texts.ts';
import type { Tracing } from './tracing.ts';
import { extensions, modelMetadata, repositoryIndex } from './repository.ts';

const whole = z.string().refine(isWhole, 'has NUL or half a surrogate pair');
const label = z.union([z.number(), whole.max(1_000), z.boolean()]);
const id = whole.min(1).max(200);
const Labels = z.object({ labels: z.array(Label.extend({ id, label })).min(1).max(10_000) });

interface ModelParams {
  Params: { model: string; version?: string };
}

export interface AppDeps {
  catalogue: Catalogue;
  log: Logger;
  rejects: Rejects;
  gate: Gate;
  tracing?: Tracing | undefined;
  tls?: Tls;
  /** Whether each request is noted, without what was in it. */
  accessLog?: boolean;
  /** Whether metrics are here, or on a port of their own. */
  management?: boolean;
  /** What `/metrics` says. */
  metrics(): string;
  /** Where labels of a model go; absent where nothing is kept. */
  labels?(model: string, lines: string, rows: number): Promise<void>;
}

export function createApp(deps: AppDeps): FastifyInstance {
  const { catalogue, log, rejects, gate, management = true } = deps;
  const app = Fastify({
    ...{ bodyLimit, logger: false, forceCloseConnections: 'idle' },
    serverFactory: (handler) => inferenceServer(deps, handler),
    frameworkErrors: (error, _request, reply) => void refuse(reply, error, log, rejects),
    clientErrorHandler: refuseConnection,
  });
  app.removeAllContentTypeParsers();
  // Nothing else: a page of a stranger may send any other type from a browser that can reach us, without asking first.
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    // Clients name the type of a body that they leave out.
    if (body.length === 0 && request.url.startsWith('/v2/repository/')) return done(null, undefined);
    try {
      const parse = request.url.endsWith('/invocations') ? parsePythonJson : parseJson;
      done(null, parse(body as Buffer, request));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser('text/csv', { parseAs: 'buffer' }, (request, body, done) => {
    if (!request.routeOptions.url?.endsWith('/invocations')) return done(noSuchType());
    try {
      done(null, readCsv(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addHook('onRequest', async (request) => {
    // By the route that was found, not by the path: that may be written in more than one way.
    const { url: route = '' } = request.routeOptions;
    if (open.has(route)) return;
    await gate.admit(callerOf(request.raw), scopeOf(route), askedModel(catalogue, route, request.params));
  });
  app.addHook('preParsing', async (request) => {
    const { 'content-encoding': encoding = 'identity' } = request.headers;
    if (encoding !== 'identity')
      throw new Refusal(415, `bodies are taken as they are, not as ${shown(encoding)}`);
  });
  app.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    if (error.statusCode === 413) await drained(request.raw);
    return refuse(reply, error, log, rejects);
  });
  app.setNotFoundHandler((request, reply) => notFound(app, request, reply));
  app.addHook('onSend', async (_request, reply) => {
    // Fastify closes after a body it could not take; the next request on the connection is a good one.
    if (catalogue.stopping) reply.header('connection', 'close');
    else if (reply.statusCode < 500) reply.removeHeader('connection');
  });
  if (management) addMetrics(app, deps);
  addProtocolRoutes(app, catalogue);
  addInvocationRoutes(app, catalogue);
  if (deps.labels) addLabelRoutes(app, catalogue, deps.labels);
  return app;
}

/** PEM. */
export interface Tls {
  cert: Buffer;
  key: Buffer;
}

type ManagementDeps = Pick<AppDeps, 'catalogue' | 'metrics'>;

/** For a port of its own, which only operators can reach. */
export function createManagementApp(deps: ManagementDeps): FastifyInstance {
  const app = Fastify({ logger: false });
  addMetrics(app, deps);
  addHealthRoutes(app, deps.catalogue);
  return app;
}

function addMetrics(app: FastifyInstance, { metrics }: ManagementDeps): void {
  app.get('/metrics', (_request, reply) => reply.type('text/plain; version=0.0.4').send(metrics()));
}

function addHealthRoutes(app: FastifyInstance, catalogue: Catalogue): void {
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) =>
    reply.code(catalogue.ready ? 200 : 503).send({ ready: catalogue.ready }),
  );
}

/** The protocol's calls but inference, which has a way of its own. */
function addProtocolRoutes(app: FastifyInstance, catalogue: Catalogue): void {
  addHealthRoutes(app, catalogue);
  for (const path of ['/v2', '/v2/']) app.get(path, () => ({ name: 'esteira', version, extensions }));
  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<ModelParams>(base, ({ params }) =>
      modelMetadata(hostOf(catalogue, params.model), params.version),
    );
    app.get<ModelParams>(`${base}/ready`, ({ params }, reply) => {
      const host = hostOf(catalogue, params.model);
      const ready = !catalogue.stopping && host.ready;
      if (params.version !== undefined) named(host, params.version);
      return reply.code(ready ? 200 : 503).send({ name: host.name, ready });
    });
    // Answered before it gets here; this is for who asks by another method, and is told which one.
    app.post(`${base}/infer`, (request, reply) =>
      reply.code(404).send({ error: `there is nothing at ${request.url}` }),
    );
  }
  app.post('/v2/repository/index', ({ body }) => repositoryIndex(catalogue, body));
  for (const act of ['load', 'unload'])
    app.post(`/v2/repository/models/:model/${act}`, () => {
      throw new Refusal(501, `models are loaded and unloaded by their rollouts, not by ${act}`);
    });
}

function addLabelRoutes(
  app: FastifyInstance,
  catalogue: Catalogue,
  append: NonNullable<AppDeps['labels']>,
): void {
  app.post<ModelParams>('/models/:model/labels', async ({ params, body }) => {
    const { name } = hostOf(catalogue, params.model);
    const labels = readLabels(body);
    await append(name, labels.map((label) => `${JSON.stringify(label)}\n`).join(''), labels.length);
    return { accepted: labels.length };
  });
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** What balancers and probes ask, who have no token. */
const open = new Set(['/v2/health/live', '/v2/health/ready', '/ping', '/health']);

/** @param route empty, where there is none */
function scopeOf(route: string): Scope | undefined {
  if (route === '') return undefined;
  return route === '/metrics' || route.startsWith('/v2/repository') ? 'admin' : 'predict';
}

/** A path without a name asks the one model that is here. */
function askedModel({ hosts }: Catalogue, route: string, params: unknown): string | undefined {
  if (route === '/invocations' && hosts.length === 1) return hosts[0]!.name;
  return (params as { model?: string }).model;
}

function inferenceServer(deps: AppDeps, handler: Handler): Server {
  const options = { ...connectionTimes, ...deps.tls };
  const listener: Handler = (request, response) => {
    if (deps.accessLog) noted(deps.log, request, response);
    const path = request.method === 'POST' ? inferPath(request.url!) : undefined;
    if (path) void inferHttp(deps, path, request, response);
    else handler(request, response);
  };
  return deps.tls ? createTlsServer(options, listener) : createServer(options, listener);
}

/** Who asked what, and what came of it: neither what was in it nor what was answered. */
function noted(log: Logger, request: IncomingMessage, response: ServerResponse): void {
  const { method, url = '', socket } = request;
  const started = performance.now();
  response.once('close', () => {
    const ms = Math.round(performance.now() - started);
    const path = url.split('?')[0]!.slice(0, 200);
    log.info({ method, path, status: response.statusCode, ms, from: socket.remoteAddress }, 'request');
  });
}

/** Labels are kept as text, for a class may be a number or a word. */
function readLabels(body: unknown): { id: string; label: string; time: string }[] {
  const { success, data, error } = Labels.safeParse(body);
  if (!success) {
    const [issue] = error.issues;
    throw new Refusal(400, `${issue!.path.join('.') || 'the request'}: ${issue!.message}`);
  }
  const now = new Date().toISOString();
  return data.labels.map(({ id, label, time }) => ({ id, label: String(label), time: time ?? now }));
}

function refuse(reply: FastifyReply, error: Error, log: Logger, rejects: Rejects): FastifyReply {
  const status = rejects.count(error);
  const after = error instanceof Refusal ? error.retryAfter : undefined;
  if (after !== undefined) reply.header('retry-after', String(after));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  if (status >= 500 && !(error instanceof Refusal)) log.error({ err: error }, 'a request failed');
  return reply.code(status).send({ error: wordsFor(error, status) });
}

const noSuchType = (): Refusal => new Refusal(415, 'the body is taken as application/json only');

/** Fastify has words of its own for these two. */
function wordsFor(error: Error, status: number): string {
  if (error instanceof Refusal) return error.message;
  if (status === 413) return tooLarge().message;
  if (status === 415) return noSuchType().message;
  return sentenceOf(error, status);
}

function notFound(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?')[0]!.slice(0, 200);
  const methods = (['GET', 'POST'] as const).filter(
    (method) => app.findRoute({ url: patternOf(path), method }) !== null,
  );
  if (methods.length === 0) return reply.code(404).send({ error: `there is nothing at ${path}` });
  return reply
    .code(405)
    .header('allow', methods.join(', '))
    .send({ error: `${request.method} is not allowed at ${path}; allowed: ${methods.join(', ')}` });
}

/** The route a path would take, as it was declared. */
function patternOf(path: string): string {
  return path
    .replace(/^(\/v2)?\/models\/[^/]+/, '$1/models/:model')
    .replace(/\/versions\/[^/]+/, '/versions/:version');
}
