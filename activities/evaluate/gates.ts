/**
 * Gates: rules fixed before training that numbers must meet. A number that is missing or not finite meets
 * none, and a gate without a bound is met by nothing.
 */
import type { GateResult } from '../../contracts/lifecycle.ts';
import type { Gate } from '../../contracts/project.ts';
import { worseBy } from './direction.ts';

type Numbers = Record<string, number | null | undefined>;

/** @param champion the champion's metrics on the same rows, if there is one */
export function judgeGates(
  gates: Record<string, Gate>,
  candidate: Numbers,
  champion: Numbers | undefined,
): GateResult[] {
  return Object.entries(gates).flatMap(([metric, gate]) => {
    const value = finite(candidate[metric]);
    const results: GateResult[] = [];
    if (gate.min !== undefined) {
      const passed = value !== null && value >= gate.min;
      results.push({ metric, bound: 'min', limit: gate.min, value, passed });
    }
    if (gate.max !== undefined) {
      const passed = value !== null && value <= gate.max;
      results.push({ metric, bound: 'max', limit: gate.max, value, passed });
    }
    if (gate.notWorseThanChampionBy !== undefined) {
      results.push(againstChampion(metric, gate.notWorseThanChampionBy, value, champion));
    }
    return results.length > 0 ? results : [{ metric, bound: 'min', limit: 0, value: null, passed: false }];
  });
}

/** The value is how much worse the candidate is; negative if it is better. */
function againstChampion(
  metric: string,
  limit: number,
  value: number | null,
  champion: Numbers | undefined,
): GateResult {
  const bound = 'notWorseThanChampionBy';
  if (value === null) return { metric, bound, limit, value: null, passed: false };
  if (!champion) return { metric, bound, limit, value: null, passed: true };
  const best = finite(champion[metric]);
  if (best === null) return { metric, bound, limit, value: null, passed: false };
  const worse = worseBy(metric, best, value);
  // 0.85 - 0.84 is more than 0.01, by the last bit.
  return { metric, bound, limit, value: worse, passed: worse <= limit + 1e-12 };
}

/**
 * Whether the candidate is better than the champion, in the first metric that has a gate and that both have. Where there is
 * none, nothing is asked.
 */
export function beaten(gates: Record<string, Gate>, candidate: Numbers, champion: Numbers): GateResult[] {
  for (const metric of Object.keys(gates)) {
    const [value, best] = [finite(candidate[metric]), finite(champion[metric])];
    if (value === null || best === null) continue;
    const better = -worseBy(metric, best, value);
    return [{ metric, bound: 'betterThanChampion', limit: 0, value: better, passed: better > 0 }];
  }
  return [];
}

const finite = (value: number | null | undefined): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
