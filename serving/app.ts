/** The HTTP side: routes, and errors as the protocol wants them. Connections are kept after a refusal. */
import Fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { z } from 'zod';
import { Label } from '../contracts/serving.ts';
import type { Logger } from '../infra/log.ts';
import { version } from '../infra/version.ts';
import { infer, named } from './infer.ts';
import { metricsText } from './metrics.ts';
import type { ModelHost } from './model-host.ts';
import { describeTensor } from './protocol.ts';
import { Refusal, shown } from './refusal.ts';
import type { Replica } from './replica.ts';
import type { Shipper } from './shipper.ts';

/** 10,000 rows of some 50 columns. */
const bodyLimit = 32 * 1024 * 1024;
const platform = 'onnx_onnxv1';
const label = z.union([z.number(), z.string().max(1_000), z.boolean()]);
const Labels = z.object({ labels: z.array(Label.extend({ label })).min(1).max(10_000) });

/**
 * A request must have come whole by then; who sends a byte now and then holds a connection and its memory. The largest
 * body takes 30 s at a megabyte a second.
 */
const requestTimeout = 30_000;
const headersTimeout = 10_000;
/** For the rest of a body that is refused. */
const drainMs = 2_000;
/** How often connections are held against the two. */
const connectionsCheckingInterval = 1_000;

interface ModelParams {
  Params: { model: string; version?: string };
}

export function createApp(replica: Replica, shipper: Shipper, log: Logger): FastifyInstance {
  const app = Fastify({
    ...{ bodyLimit, logger: false, forceCloseConnections: 'idle' },
    ...{ requestTimeout, http: { headersTimeout, connectionsCheckingInterval } },
    frameworkErrors: (error, _request, reply) => void refuse(reply, error, log),
    clientErrorHandler: refuseConnection,
  });
  app.removeAllContentTypeParsers();
  // Nothing else: a page of a stranger may send any other type from a browser that can reach us, without asking first.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    parseBody(request, body as string, done);
  });
  app.addHook('preParsing', async (request) => {
    const { 'content-encoding': encoding = 'identity' } = request.headers;
    if (encoding !== 'identity')
      throw new Refusal(415, `bodies are taken as they are, not as ${shown(encoding)}`);
  });
  app.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    if (error.statusCode === 413) await drained(request.raw);
    return refuse(reply, error, log);
  });
  app.setNotFoundHandler((request, reply) => notFound(app, request, reply));
  app.addHook('onSend', async (_request, reply) => {
    // Fastify closes after a body it could not take; the next request on the connection is a good one.
    if (reply.statusCode < 500) reply.removeHeader('connection');
  });

  const hostOf = ({ params: { model } }: FastifyRequest<ModelParams>): ModelHost => {
    const host = replica.host(model);
    if (host) return host;
    if (!replica.looked) throw new Refusal(503, 'this replica is starting, and does not know its models yet');
    const served = replica.hosts.map(({ name }) => name).join(', ') || 'none';
    throw new Refusal(404, `model "${model}" is not served here; served: ${served}`);
  };

  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) =>
    reply.code(replica.ready ? 200 : 503).send({ ready: replica.ready }),
  );
  for (const path of ['/v2', '/v2/']) app.get(path, () => ({ name: 'esteira', version, extensions: [] }));
  app.get('/metrics', (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(metricsText(replica, shipper.waiting)),
  );

  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<ModelParams>(base, (request) => metadata(hostOf(request), request.params.version));
    app.get<ModelParams>(`${base}/ready`, (request, reply) => {
      const host = hostOf(request);
      const ready = !replica.stopping && host.ready;
      if (request.params.version !== undefined) named(host, request.params.version);
      return reply.code(ready ? 200 : 503).send({ name: host.name, ready });
    });
    app.post<ModelParams>(`${base}/infer`, (request) => {
      if (request.headers['inference-header-content-length'] !== undefined) {
        throw new Refusal(400, 'binary tensors are not taken; send the tensors as JSON');
      }
      return infer(replica, log, hostOf(request), request.params.version, request.body);
    });
  }
  app.post<ModelParams>('/models/:model/labels', async (request) => {
    const host = hostOf(request);
    const labels = readLabels(request.body);
    await replica.labels(host.name).append(labels);
    return { accepted: labels.length };
  });
  return app;
}

function metadata(host: ModelHost, asked: string | undefined) {
  const version =
    asked === undefined ? (host.state.champion ?? host.state.challenger) : named(host, asked).version;
  if (!version) throw new Refusal(503, `model "${host.name}" has no version to serve yet`);
  const { inputs, outputs } = version.package.signature;
  return {
    name: host.name,
    versions: host.loaded.map((loaded) => String(loaded.version)),
    platform,
    inputs: inputs.map(describeTensor),
    outputs: outputs.map(describeTensor),
  };
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

function parseBody(
  request: FastifyRequest,
  body: string,
  done: (error: Error | null, body?: unknown) => void,
): void {
  try {
    done(null, JSON.parse(body));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const at = `${request.method} ${request.url.slice(0, 200)}`;
    done(new Refusal(400, `the body of ${at} is not JSON: ${error.message}`));
  }
}

/**
 * What is still on its way is read and forgotten, for a while: a connection that is closed with bytes unread is reset,
 * and the answer may go with it.
 */
function drained(body: IncomingMessage): Promise<void> {
  if (body.readableEnded || body.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, drainMs);
    for (const over of ['end', 'close', 'error']) {
      body.once(over, () => {
        clearTimeout(timer);
        resolve();
      });
    }
    body.resume();
  });
}

function refuse(reply: FastifyReply, error: Error & { statusCode?: number }, log: Logger): FastifyReply {
  const status = error instanceof Refusal ? error.status : (error.statusCode ?? 500);
  if (status === 503) reply.header('retry-after', '1');
  if (status >= 500 && status !== 503) log.error({ err: error }, 'a request failed');
  return reply.code(status).send({ error: sentenceOf(error, status) });
}

/** What went wrong inside is for the log: its words name files, keys and addresses of ours. */
function sentenceOf(error: Error, status: number): string {
  if (error instanceof Refusal) return error.message;
  if (status >= 500) return 'the server could not answer; its log says why';
  if (status === 413) return `the body is larger than ${bodyLimit} bytes`;
  if (status === 415) return 'the body is taken as application/json only';
  return error.message.slice(0, 500);
}

/** Bytes that are no HTTP, or too many or too slow: answered in our own words, and closed. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  const [status, sentence] = connectionFaults.get(error.code ?? '') ?? [
    '400 Bad Request',
    'this is no HTTP request',
  ];
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ error: sentence });
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close`;
  socket.end(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
}

const connectionFaults = new Map([
  ['HPE_HEADER_OVERFLOW', ['431 Request Header Fields Too Large', 'the headers are larger than 16384 bytes']],
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    ['408 Request Timeout', `the request did not come within ${requestTimeout} ms`],
  ],
]);

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
