/** Bodies as requests bear them. */
import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from '../../infra/refusal.ts';

/** Values within values: what writes them down again goes as deep. */
const depthAtMost = 100;

/** Lower case, without its parameters; empty where there is none. */
export function mediaTypeOf(headers: IncomingHttpHeaders): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}

/** @throws Refusal 400 */
export function textIn(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    if (error instanceof TypeError) throw new Refusal(400, 'the body is not UTF-8');
    throw error;
  }
}

/** @throws Refusal 400 */
export function jsonIn(body: Buffer | string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(typeof body === 'string' ? body : textIn(body)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new Refusal(400, `the body is not JSON: ${error.message.slice(0, 200)}`);
    throw error;
  }
  if (isDeeper(value, depthAtMost)) throw new Refusal(400, `the JSON nests deeper than ${depthAtMost}`);
  return value;
}

function isDeeper(value: unknown, than: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (than === 0) return true;
  return Object.values(value).some((one) => isDeeper(one, than - 1));
}
