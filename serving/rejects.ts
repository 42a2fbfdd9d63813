/** Requests that were answered with a no: how often, and in which words. */
import { ReasonCounts } from '../infra/reason-counts.ts';
import { Refusal } from '../infra/refusal.ts';

export class Rejects {
  readonly #reasons = new ReasonCounts([
    [501, 'unsupported'],
    [504, 'deadline'],
  ]);

  get counts(): ReadonlyMap<string, number> {
    return this.#reasons.counts;
  }

  /** @returns the status to answer with */
  count(error: unknown): number {
    const status = statusIn(error);
    this.#reasons.add(status);
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
