/** How often each client may ask: a bucket of one second's requests, filled as time goes by. */
import { Refusal } from './refusal.ts';

interface Bucket {
  left: number;
  at: number;
}

/** Of clients that have not been here for a while, nothing is kept. */
const clientsAtMost = 10_000;

export class Rates {
  readonly #perSecond: number;
  #buckets = new Map<string, Bucket>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** @param now in ms. @throws Refusal 429 */
  take(client: string, now = performance.now()): void {
    const most = Math.max(1, this.#perSecond);
    const { left, at } = this.#buckets.get(client) ?? { left: most, at: now };
    const filled = Math.min(most, left + ((now - at) / 1_000) * this.#perSecond);
    if (filled < 1) {
      const wait = (1 - filled) / this.#perSecond;
      throw new Refusal(429, `${this.#perSecond} requests a second are taken of one client`, Math.ceil(wait));
    }
    if (this.#buckets.size >= clientsAtMost && !this.#buckets.has(client)) this.#forget(now);
    this.#buckets.set(client, { left: filled - 1, at: now });
  }

  /** Whose bucket is full again is as one who was never here. */
  #forget(now: number): void {
    const secondAgo = now - 1_000;
    this.#buckets = new Map([...this.#buckets].filter(([, { at }]) => at > secondAgo));
    if (this.#buckets.size >= clientsAtMost) this.#buckets.clear();
  }
}
