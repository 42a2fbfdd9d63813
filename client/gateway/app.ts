/** The gateway's HTTP side: who may come in, and how a no is said. What is behind the doors is in `routes-….ts`. */
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server } from 'node:http';
import Fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { connectionTimes, refuseConnection } from '../../infra/connections.ts';
import type { Logger } from '../../infra/log.ts';
import type { Rates } from '../../infra/rates.ts';
import { Refusal } from '../../infra/refusal.ts';
import { refuse } from './answers.ts';
import type { Caller, Callers, Unproved } from './callers.ts';
import { anybody, permit } from './callers.ts';
import type { Counts } from './counts.ts';
import type { Scope } from './settings.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route with a scope, once its handler runs. */
    caller: Caller;
    unproved: Unproved | undefined;
  }
  interface FastifyContextConfig {
    /** What the caller must be allowed; without one, anybody may ask. */
    scope?: Scope;
  }
}

/** 100,000 short rows; an event alone is held to much less. */
const bodyLimit = 8 * 1024 * 1024;
const connectionsAtMost = 10_000;

export interface AppDeps {
  callers: Callers;
  counts: Counts;
  log: Logger;
  rates?: Rates | undefined;
  tls?: { cert: Buffer; key: Buffer; ca?: Buffer };
}

export interface Route {
  method: 'GET' | 'POST';
  url: string;
  scope?: Scope;
  handler(request: FastifyRequest, reply: FastifyReply): unknown;
}

export function createApp(
  { callers, counts, log, rates, tls }: AppDeps,
  routes: readonly Route[],
): FastifyInstance {
  const app = Fastify({
    ...{ bodyLimit, logger: false, forceCloseConnections: 'idle' },
    serverFactory: (handler) => {
      const server: Server = tls
        ? createTlsServer(
            { ...connectionTimes, ...tls, ...(tls.ca && { requestCert: true, rejectUnauthorized: false }) },
            handler,
          )
        : createServer({ ...connectionTimes }, handler);
      server.maxConnections = connectionsAtMost;
      return server;
    },
    frameworkErrors: (error, _request, reply) => void refuse(reply, error, counts.refuse(error)),
    clientErrorHandler: refuseConnection,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.decorateRequest('caller', undefined as unknown as Caller);
  app.decorateRequest('unproved', undefined);
  app.addHook('onRequest', async (request) => {
    const { scope } = request.routeOptions.config;
    if (scope === undefined) return;
    if (callers === anybody) mustBeHere(request);
    const { 'content-encoding': encoding = 'identity' } = request.headers;
    if (encoding !== 'identity')
      throw new Refusal(415, `bodies are taken as they are, not as ${encoding.slice(0, 40)}`);
    const { caller: named } = request.query as { caller?: string };
    const found = await callers.identify(request.raw, named);
    if ('prove' in found) request.unproved = found;
    else admit(request, found, rates);
  });
  app.addHook('preHandler', async (request) => {
    request.body ??= Buffer.alloc(0);
    if (request.unproved) admit(request, request.unproved.prove(request.raw, request.body as Buffer), rates);
  });
  app.setErrorHandler((error, _request, reply) => {
    const status = counts.refuse(error);
    if (status >= 500 && !(error instanceof Refusal)) log.error({ err: error }, 'a request failed');
    return refuse(reply, error, status);
  });
  app.setNotFoundHandler((request, reply) => notFound(app, request, reply, counts));
  for (const { scope, ...route } of routes)
    app.route({ ...route, config: scope === undefined ? {} : { scope } });
  return app;
}

function admit(request: FastifyRequest, caller: Caller, rates: Rates | undefined): void {
  permit(caller, request.routeOptions.config.scope!, (request.params as { model?: string }).model);
  rates?.take(caller.name);
  request.caller = caller;
}

/** Where nobody proves anything, a name that leads here in somebody's browser must not do (DNS rebinding). */
function mustBeHere({ headers }: FastifyRequest): void {
  const name = (headers.host ?? '').replace(/:[0-9]+$/, '');
  if (['localhost', '127.0.0.1', '[::1]'].includes(name)) return;
  throw new Refusal(
    403,
    `the host is "${name.slice(0, 100)}"; without settings only this machine is answered`,
  );
}

function notFound(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
  counts: Counts,
): FastifyReply {
  const path = request.url.split('?')[0]!.slice(0, 200);
  const methods = (['GET', 'POST'] as const).filter((method) => app.hasRoute({ url: path, method }));
  if (methods.length > 0) {
    reply.header('allow', methods.join(', '));
    const error = new Refusal(
      405,
      `${request.method} is not allowed at ${path}; allowed: ${methods.join(', ')}`,
    );
    return refuse(reply, error, counts.refuse(error));
  }
  const error = new Refusal(404, `there is nothing at ${path}; /openapi.json says what there is`);
  return refuse(reply, error, counts.refuse(error));
}
