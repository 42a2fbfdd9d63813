/** How often requests were answered with a no, by reason: what an operator asks first. */

const common = [
  [400, 'invalid'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [405, 'method'],
  [413, 'too-large'],
  [415, 'media-type'],
  [429, 'overload'],
  [503, 'unavailable'],
] as const;

const failed = 'failed';

export class ReasonCounts {
  readonly #reasons: Map<number, string>;
  /** From zero: a counter that begins at its first count has no rate when it is looked at first. */
  readonly counts: Map<string, number>;

  /** @param own statuses that this server gives beside those that all give */
  constructor(own: readonly (readonly [number, string])[]) {
    this.#reasons = new Map([...common, ...own].toSorted(([a], [b]) => a - b));
    this.counts = new Map([...this.#reasons.values(), failed].map((reason) => [reason, 0]));
  }

  add(status: number): void {
    const reason = this.#reasons.get(status) ?? (status >= 500 ? failed : 'invalid');
    this.counts.set(reason, this.counts.get(reason)! + 1);
  }
}
