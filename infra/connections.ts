/** How long a client may take over a request, and what it is told whose bytes are no HTTP. For every server of ours. */
import type { Socket } from 'node:net';

export const connectionTimes = {
  /**
   * A request must have come whole by then; who sends a byte now and then holds a connection and its memory. 32 MB, the
   * largest body, take 30 s at a megabyte a second.
   */
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  /** How often connections are held against the two. */
  connectionsCheckingInterval: 1_000,
} as const;

/** Bytes that are no HTTP, or too many or too slow: answered in our own words, and closed. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  const [status, sentence] = faults.get(error.code ?? '') ?? ['400 Bad Request', 'this is no HTTP request'];
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ error: sentence });
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close`;
  socket.end(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
}

const faults = new Map([
  ['HPE_HEADER_OVERFLOW', ['431 Request Header Fields Too Large', 'the headers are larger than 16384 bytes']],
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    ['408 Request Timeout', `the request did not come within ${connectionTimes.requestTimeout} ms`],
  ],
]);
