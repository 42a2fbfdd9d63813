/** Bodies of requests: bounded before they are read, and never half read when an answer goes out. */
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../infra/refusal.ts';

/** 10,000 rows of some 50 columns. */
export const bodyLimit = 32 * 1024 * 1024;
/** For the rest of a body that is refused. */
const drainMs = 2_000;

export const tooLarge = (): Refusal => new Refusal(413, `the body is larger than ${bodyLimit} bytes`);

/** @throws Refusal 413, before anything is read where the length is declared; Error when the caller has gone */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return reject(tooLarge());
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > bodyLimit) reject(tooLarge());
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    request.on('error', reject);
  });
}

/**
 * What is still on its way is read and forgotten, for a while: a connection that is closed with bytes unread is reset,
 * and the answer may go with it.
 */
export function drained(body: IncomingMessage): Promise<void> {
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
