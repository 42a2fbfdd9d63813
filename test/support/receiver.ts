/** A receiver of webhooks on this machine: remembers what came, and answers as a test wishes. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into any message
  json(): any;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  text?: string;
}

export interface Receiver {
  url: string;
  got: Received[];
  /** What is answered next, then next; 204 when none is left. */
  replies: Reply[];
  close(): Promise<void>;
}

export async function openReceiver(port = 0): Promise<Receiver> {
  const got: Received[] = [];
  const replies: Reply[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      got.push({
        path: request.url ?? '',
        headers: request.headers,
        body,
        json: () => JSON.parse(body) as unknown,
      });
      const { status, headers = {}, text: said = '' } = replies.shift() ?? { status: 204 };
      response.writeHead(status, headers).end(said);
    });
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const { port: taken } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${taken}`, got, replies, close: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((done) => server.close(() => done()));
}
