/** The limits of a rollout, each judged by itself: what was seen, what is tolerated, and whether that holds. */
import type { GuardResult } from '../../contracts/rollout.ts';
import type { Rollout } from '../../contracts/strategy.ts';
import type { PairedQuality } from './rollout-log.ts';

export interface Counted {
  rows: number;
  requests: number;
  errorRate: number | null;
  latencyRatio: number | null;
  agreement: number | null;
}

export interface Logged {
  drift: { psi: number | null; rows: number; bins: number };
  quality: PairedQuality | null;
}

/** Of so few requests the slowest is the percentile: it says nothing. */
export const requestsForLatency = 100;
/** Rows for each bin of the reference: fewer make an index above 0.05 of two equal distributions. */
const rowsPerBin = 20;

/** What replicas have counted. */
export function countedGuards(seen: Counted, limits: Rollout): GuardResult[] {
  return [
    judged('errors', seen.errorRate, 'max', limits.maxErrorRate, seen.requests),
    judged('latency', seen.latencyRatio, 'max', limits.maxLatencyRatio, seen.requests),
    judged('agreement', seen.agreement, 'min', limits.minAgreement, seen.rows),
  ];
}

/** What the log and the labels say. */
export function loggedGuards({ drift, quality }: Logged, limits: Rollout): GuardResult[] {
  const guards: GuardResult[] = [];
  if (limits.maxDrift !== undefined) {
    const enough = drift.rows >= Math.max(limits.minRows, rowsPerBin * drift.bins);
    guards.push(judged('drift', enough ? drift.psi : null, 'max', limits.maxDrift, drift.rows));
  }
  if (limits.strategy === 'ab') guards.push(...trial(quality, limits.ab));
  else if (limits.quality) {
    const { alpha, minLabels } = limits.quality;
    const enough = quality !== null && quality.pairs >= minLabels;
    const found = judged('quality', enough ? quality.worse : null, 'max', 1 / alpha, quality?.pairs ?? 0);
    guards.push({ ...found, ...detailOf(quality) });
  }
  return guards;
}

/** ab: two tests with half of α each, so that with equal versions either is declared better with α at most. */
function trial(quality: PairedQuality | null, { alpha, minLabels }: Rollout['ab']): GuardResult[] {
  const enough = quality !== null && quality.pairs >= minLabels;
  const pairs = quality?.pairs ?? 0;
  const [worse, better] = [quality?.worse ?? 1, quality?.better ?? 1];
  const lost = judged('quality', enough ? worse : null, 'max', 2 / alpha, pairs);
  const won = judged('winner', enough ? better : null, 'min', 2 / alpha, pairs);
  return [{ ...lost, ...detailOf(quality) }, won];
}

/** ab: who was shown to be better; undefined while neither was. */
export function winnerOf(guards: readonly GuardResult[]): 'champion' | 'challenger' | undefined {
  if (guards.find(({ guard }) => guard === 'winner')?.passed) return 'challenger';
  return guards.find(({ guard }) => guard === 'quality')?.passed === false ? 'champion' : undefined;
}

function judged(
  guard: GuardResult['guard'],
  value: number | null,
  bound: GuardResult['bound'],
  limit: number,
  rows: number,
): GuardResult {
  const passed = value === null ? null : bound === 'max' ? value <= limit : value >= limit;
  return { guard, value, limit, bound, rows, passed };
}

function detailOf(quality: PairedQuality | null): { detail?: string } {
  if (!quality || quality.mine === null || quality.champions === null) return {};
  const [mine, champions] = [quality.mine, quality.champions].map((one) => Number(one.toPrecision(4)));
  return { detail: `${quality.loss} ${mine}, the champion's ${champions}` };
}

const sentences: Record<GuardResult['guard'], (guard: GuardResult & { value: number }) => string> = {
  errors: ({ value, limit }) =>
    `${(value * 100).toFixed(1)} % of its requests fail, more than ${limit * 100} %`,
  latency: ({ value, limit }) =>
    `it is ${value.toFixed(1)} times slower than the champion, more than ${limit}`,
  agreement: ({ value, limit }) =>
    `it agrees with the champion by ${value.toFixed(2)} only, less than ${limit}`,
  drift: ({ value, limit }) =>
    `its predictions differ from those on its holdout by a PSI of ${value.toFixed(2)}, more than ${limit}`,
  quality: ({ value, limit, rows, detail }) =>
    `${rows} labels show it to be worse than the champion: ${detail ?? ''} (evidence ${value.toFixed(1)}, more than ${limit})`,
  winner: () => 'it has not won', // which stops nothing
};

/** @returns the first limit that does not hold, in words */
export function complaint(guards: readonly GuardResult[]): string | undefined {
  for (const guard of guards) {
    const { value } = guard;
    if (guard.passed === false && guard.guard !== 'winner' && value !== null)
      return sentences[guard.guard]({ ...guard, value });
  }
  return undefined;
}
