/** How often requests were answered with a no, by reason: what an operator asks first. */
import { Refusal } from '../infra/refusal.ts';

const reasons = new Map([
  [400, 'invalid'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [405, 'method'],
  [413, 'too-large'],
  [415, 'media-type'],
  [429, 'overload'],
  [501, 'unsupported'],
  [503, 'unavailable'],
  [504, 'deadline'],
]);

const failed = 'failed';

export class Rejects {
  /** From zero: a counter that begins at its first count has no rate when it is looked at first. */
  readonly counts = new Map([...reasons.values(), failed].map((reason) => [reason, 0]));

  /** @returns the status to answer with */
  count(error: unknown): number {
    const status = statusIn(error);
    const reason = reasons.get(status) ?? (status >= 500 ? failed : 'invalid');
    this.counts.set(reason, this.counts.get(reason)! + 1);
    return status;
  }
}

export function statusIn(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  return (error as { statusCode?: number }).statusCode ?? 500;
}

/** What went wrong inside is for the log: its words name files, keys and addresses of ours. */
export function sentenceOf(error: unknown, status: number): string {
  if (error instanceof Refusal) return error.message;
  if (status >= 500) return 'the server could not answer; its log says why';
  return error instanceof Error ? error.message.slice(0, 500) : 'the request is not taken';
}
