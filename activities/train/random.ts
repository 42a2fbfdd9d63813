/** Seeded randomness: each stream is a pure function of its seed and the numbers that name it. */

/** @returns uniform numbers in [0, 1). @see "mulberry32", bryc, public domain; period 2^32 */
export function random(...seed: readonly number[]): () => number {
  let state = mixed(seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** @returns 0 … size - 1 in random order. @see Fisher and Yates, in Durstenfeld's form */
export function permutation(size: number, next: () => number): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}

/** Standard normal numbers. @see Box and Muller (1958) */
export function normal(next: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** The finaliser of MurmurHash3 over each number in turn: near seeds give far states. */
function mixed(seed: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const part of seed) {
    hash = Math.imul(hash ^ (part | 0), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash;
}
