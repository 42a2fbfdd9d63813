/**
 * 95 % intervals by the Poisson bootstrap: in each of 200 replicates a row counts as often as a Poisson(1)
 * draw says, which is resampling with replacement but for the total's own spread.
 *
 * Candidate and champion share each replicate's draws, so that their difference is paired.
 *
 * @see Chamandy et al., "Estimating Uncertainty for Massive Data Streams", Google, 2012
 */
import type { MetricValue, Metrics } from '../../contracts/evaluation.ts';
import type { Judge } from './judge.ts';

const replicates = 200;

/** Metrics of each judge under each replicate's weights: [replicates][judges]. */
export type Replicates = Record<string, number>[][];

/** @param pause is awaited between replicates: a million rows block for some 20 ms each */
export async function replicate(
  judges: readonly Judge[],
  seed: number,
  pause: () => Promise<void>,
): Promise<Replicates> {
  const weights = new Uint8Array(judges[0]!.rows);
  const draw = poisson(seed);
  const results: Replicates = [];
  for (let i = 0; i < replicates; i++) {
    draw(weights);
    results.push(judges.map((judge) => judge.metrics(weights)));
    await pause();
  }
  return results;
}

/** @param of the metric in one replicate; what is not finite there is left out */
export function withInterval(value: number, replicated: readonly number[]): MetricValue {
  const finite = replicated.filter(Number.isFinite).toSorted((a, b) => a - b);
  if (!Number.isFinite(value)) return { value: null, low: null, high: null };
  if (finite.length === 0) return { value, low: null, high: null };
  return { value, low: quantile(finite, 0.025), high: quantile(finite, 0.975) };
}

export function intervals(values: Record<string, number>, replicated: Replicates, judge: number): Metrics {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      withInterval(
        value,
        replicated.map((each) => each[judge]![name]!),
      ),
    ]),
  );
}

/** Candidate (judge 0) minus champion (judge 1). */
export function differences(
  candidate: Record<string, number>,
  champion: Record<string, number>,
  replicated: Replicates,
): Metrics {
  return Object.fromEntries(
    Object.entries(candidate).map(([name, value]) => [
      name,
      withInterval(
        value - champion[name]!,
        replicated.map(([one, other]) => one![name]! - other![name]!),
      ),
    ]),
  );
}

/** Linear between neighbours, as numpy's default. @param sorted ascending, not empty */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const next = sorted[Math.min(low + 1, sorted.length - 1)]!;
  return sorted[low]! + (at - low) * (next - sorted[low]!);
}

/** Fills an array with Poisson(1) draws: one table look-up for 16 bits of xorshift, two draws a turn. */
function poisson(seed: number): (into: Uint8Array) => void {
  const table = poissonTable();
  let state = (Math.imul(seed + 1, 0x9e3779b9) ^ 0x85ebca6b) | 1;
  return (into) => {
    for (let i = 0; i < into.length; i += 2) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      into[i] = table[state & 0xffff]!;
      into[i + 1] = table[state >>> 16]!;
    }
  };
}

/** 65,536 equal chances, dealt by the distribution function. */
function poissonTable(): Uint8Array {
  const table = new Uint8Array(65_536);
  let chance = Math.exp(-1);
  let cumulated = chance;
  for (let i = 0, k = 0; i < table.length; i++) {
    while ((i + 0.5) / table.length > cumulated && k < 12) {
      k += 1;
      chance /= k;
      cumulated += chance;
    }
    table[i] = k;
  }
  return table;
}
