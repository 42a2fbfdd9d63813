/** HTTP by hand: bytes in, the whole answer out, whatever the bytes are. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface Raw {
  /** 0 when the connection was closed without an answer. */
  status: number;
  head: string;
  body: string;
}

/** @param feed what more to do on the open connection. @returns what came until the server closed it */
export function raw(url: string, bytes: string | Uint8Array, feed?: (socket: Socket) => void): Promise<Raw> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => socket.destroy()); // a reset is an answer too: what came before it counts
    socket.on('close', () => {
      const end = text.indexOf('\r\n\r\n');
      const head = end === -1 ? text : text.slice(0, end);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
      resolve({ status, head, body: end === -1 ? '' : text.slice(end + 4) });
    });
    socket.write(bytes);
    feed?.(socket);
  });
}

/** One request on a connection of its own. */
export function ask(
  url: string,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: readonly string[] = ['content-type: application/json'],
): Promise<Raw> {
  const length = body === undefined ? [] : [`content-length: ${Buffer.byteLength(body)}`];
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'host: x',
    'connection: close',
    ...length,
    ...(body === undefined ? [] : headers),
  ];
  return raw(url, Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body ?? '')]));
}
