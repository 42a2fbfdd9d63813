/** A proxy before a real S3 server that fails at the nth call of an operation, in all the ways that servers do. */
import { createServer, request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

export type Operation =
  | 'PutObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'ListObjectsV2'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads';

/**
 * - not carried out: `500`, `503` (SlowDown), `409`, `404` (NoSuchUpload), `hang` (no answer ever), `reset`
 * - carried out: `lost` (then reset), `truncated` (half, then reset), `short` (half, and says so), `wrong` (a byte
 *   differs), `stale` (what this key answered before), `noEtag`, `badEtag`
 * - `aged`: uploads that it lists were begun in 2001
 * - `damaged`: the body that the server gets differs in a byte; `unconditional`: it gets no If-Match, no If-None-Match
 */
export type Kind = keyof typeof refusals | (typeof others)[number];

const refusals = {
  '500': [500, 'InternalError'],
  '503': [503, 'SlowDown'],
  '409': [409, 'ConditionalRequestConflict'],
  '404': [404, 'NoSuchUpload'],
} as const;
const others = [
  ...(['hang', 'reset', 'lost', 'truncated', 'short', 'wrong', 'stale', 'noEtag', 'badEtag'] as const),
  ...(['aged', 'damaged', 'unconditional'] as const),
];

export interface S3Fault {
  operation: Operation;
  kind: Kind;
  /** The call at which it begins, from 1, counted from when it is set. */
  at?: number;
  /** How many calls it lasts; 1 if left out. */
  times?: number;
}

export interface FaultyS3 {
  /** A URI below the server's own bucket, through this proxy. */
  uri(prefix: string): string;
  /** Replaces what was set before. */
  set(...faults: S3Fault[]): void;
  /** How many calls met a fault since `set`. */
  readonly struck: number;
  stop(): Promise<void>;
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export async function startFaultyS3(endpoint: string): Promise<FaultyS3> {
  let armed: (Required<S3Fault> & { calls: number })[] = [];
  let struck = 0;
  const before = new Map<string, Answer>();
  const last = new Map<string, Answer>();

  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const body = await read(incoming);
    const operation = operationOf(incoming);
    const fault = armed
      .filter((one) => one.operation === operation)
      .find((one) => ++one.calls >= one.at && one.calls < one.at + one.times);
    if (fault) struck++;
    const kind = fault?.kind;
    if (kind === 'hang') return;
    if (kind === 'reset') return void incoming.socket.destroy();
    if (kind && kind in refusals) return refuse(response, refusals[kind as keyof typeof refusals]);
    const answer =
      kind === 'unconditional'
        ? await overwrite(endpoint, incoming, body)
        : await forward(endpoint, incoming, kind === 'damaged' ? flipped(body) : body);
    if (operation === 'GetObject') remember(incoming.url!, answer);
    if (kind === 'lost') return void incoming.socket.destroy();
    reply(incoming, response, kind === 'stale' ? before.get(incoming.url!)! : spoilt(answer, kind), kind);
  };
  const remember = (url: string, answer: Answer) => {
    const previous = last.get(url);
    if (previous && !previous.body.equals(answer.body)) before.set(url, previous);
    last.set(url, answer);
  };

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => incoming.socket.destroy()); // a client that has gone away
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const here = encodeURIComponent(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    uri: (prefix) => `s3://esteira-test/${prefix}?endpoint=${here}`,
    set(...faults) {
      armed = faults.map((fault) => ({ at: 1, times: 1, calls: 0, ...fault }));
      struck = 0;
    },
    get struck() {
      return struck;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function operationOf({ method, url }: IncomingMessage): Operation {
  const { pathname, searchParams: query } = new URL(url!, 'http://any');
  const named = query.get('x-id');
  if (named) return named as Operation;
  if (query.has('uploads')) return method === 'GET' ? 'ListMultipartUploads' : 'CreateMultipartUpload';
  if (query.has('uploadId')) return method === 'POST' ? 'CompleteMultipartUpload' : 'AbortMultipartUpload';
  if (query.has('list-type') || pathname.split('/').length < 3) return 'ListObjectsV2';
  return method === 'HEAD' ? 'HeadObject' : 'DeleteObject';
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Headers as they are, for they are signed. */
function forward(endpoint: string, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(endpoint);
    const options = { hostname, port, method, path: url, headers: { ...headers, connection: 'close' } };
    const outgoing = request(options, (answer) => {
      read(answer).then(
        (received) => resolve({ status: answer.statusCode!, headers: answer.headers, body: received }),
        reject,
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** As a server that knows no conditions would: what it was asked, signed anew without them. */
async function overwrite(endpoint: string, { url, headers }: IncomingMessage, Body: Buffer): Promise<Answer> {
  const [, Bucket, ...key] = new URL(url!, 'http://any').pathname.split('/').map(decodeURIComponent);
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  const Metadata = { writer: String(headers['x-amz-meta-writer']) };
  const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key: key.join('/'), Body, Metadata }));
  client.destroy();
  return { status: 200, headers: { etag: ETag! }, body: Buffer.alloc(0) };
}

function refuse(response: ServerResponse, [status, code]: readonly [number, string]): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>on purpose</Message></Error>`);
}

function spoilt(answer: Answer, kind: Kind | undefined): Answer {
  const { etag, ...headers } = answer.headers;
  const { body } = answer;
  if (kind === 'wrong') return { ...answer, body: flipped(body) };
  if (kind === 'short') return { ...answer, body: body.subarray(0, body.length / 2) };
  if (kind === 'aged') {
    const text = String(body).replaceAll(/<Initiated>\d{4}/g, '<Initiated>2001');
    return { ...answer, body: Buffer.from(text) };
  }
  if (kind === 'noEtag') return { ...answer, headers };
  if (kind === 'badEtag')
    return { ...answer, headers: { ...headers, ...(etag && { etag: '"of-another-object"' }) } };
  return answer;
}

function flipped(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  if (copy.length > 0) copy[copy.length >> 1]! ^= 1;
  return copy;
}

function reply(incoming: IncomingMessage, response: ServerResponse, answer: Answer, kind?: Kind): void {
  const { 'transfer-encoding': _, 'content-length': declared, connection: __, ...headers } = answer.headers;
  const length = incoming.method === 'HEAD' ? (declared ?? '0') : String(answer.body.length);
  response.writeHead(answer.status, { ...headers, 'content-length': length });
  if (kind !== 'truncated') return void response.end(answer.body);
  response.write(answer.body.subarray(0, answer.body.length / 2), () => incoming.socket.destroy());
}
