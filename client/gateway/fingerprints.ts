/**
 * Which batch holds an event, by 64 bits of its name's digest: some 20 bytes of memory an event, for as long as the ledger
 * lasts. Two names may share a fingerprint, once in 10^10 for a million events, so that a hit is looked up before it counts.
 */
const free = 0xffff_ffff;

export class Fingerprints {
  #size = 0;
  #mask: number;
  /** Low half, high half, batch: three numbers a place. */
  #table: Uint32Array;

  constructor(places = 1_024) {
    this.#mask = places - 1;
    this.#table = emptyTable(places);
  }

  get size(): number {
    return this.#size;
  }

  /** @param digest in hex. @param batch below 2^32 - 1 */
  add(digest: string, batch: number): void {
    const [low, high] = halves(digest);
    this.put(low, high, batch);
  }

  put(low: number, high: number, batch: number): void {
    if ((this.#size + 1) * 5 > this.#mask * 3) this.#grow();
    let place = low & this.#mask;
    while (this.#table[place * 3 + 2] !== free) place = (place + 1) & this.#mask;
    this.#table.set([low, high, batch], place * 3);
    this.#size++;
  }

  /** @returns batches that may hold it, nearly always none or one */
  find(digest: string): number[] {
    const [low, high] = halves(digest);
    const found: number[] = [];
    for (let place = low & this.#mask; ; place = (place + 1) & this.#mask) {
      const batch = this.#table[place * 3 + 2]!;
      if (batch === free) return found;
      if (this.#table[place * 3] === low && this.#table[place * 3 + 1] === high) found.push(batch);
    }
  }

  #grow(): void {
    const before = this.#table;
    const places = (this.#mask + 1) * 2;
    this.#mask = places - 1;
    this.#table = emptyTable(places);
    this.#size = 0;
    for (let at = 0; at < before.length; at += 3)
      if (before[at + 2] !== free) this.put(before[at]!, before[at + 1]!, before[at + 2]!);
  }
}

export function halves(digest: string): [low: number, high: number] {
  return [Number.parseInt(digest.slice(8, 16), 16), Number.parseInt(digest.slice(0, 8), 16)];
}

function emptyTable(places: number): Uint32Array {
  return new Uint32Array(places * 3).fill(free);
}
