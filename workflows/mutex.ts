/** Turns of read-modify-write, first come first served. Deterministic: promises only, no timers. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();
  #turns = 0;

  get locked(): boolean {
    return this.#turns > 0;
  }

  run<T>(turn: () => Promise<T>): Promise<T> {
    this.#turns++;
    const mine = this.#last.then(turn).finally(() => this.#turns--);
    this.#last = mine.catch(() => undefined); // the caller hears of it; the next turn must not
    return mine;
  }
}
