/** Columns made by a rule, the same as `made` in reference-statistics.py makes them: fixtures need not hold the numbers. */

export interface Made {
  shape: 'bell' | 'skewed' | 'whole' | 'spiked' | 'rounded' | 'constant';
  rows: number;
  seed: number;
  shift?: number;
  scale?: number;
  kinds?: number;
  nulls?: number;
  infinite?: number;
}

/** Null, infinite or a number, row by row. */
export function made({ shape, rows, seed, ...more }: Made): (number | null)[] {
  const { shift = 0, scale = 1, kinds = 10, nulls = 0, infinite = 0 } = more;
  let state = seed;
  const draw = () => {
    state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: rows }, () => {
    const [a, b, c, d, e] = [draw(), draw(), draw(), draw(), draw()] as const;
    if (e < nulls) return null;
    if (e < nulls + infinite) return a < 0.5 ? Infinity : -Infinity;
    const bell = a + b + c + d - 2;
    const value = {
      ...{ bell, skewed: 1 / (a + 0.01), whole: Math.floor(a * kinds), spiked: a < 0.3 ? 0 : bell },
      ...{ rounded: Math.floor(bell * 100) / 100, constant: 1 },
    }[shape];
    return value * scale + shift;
  });
}
