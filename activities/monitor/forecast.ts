/**
 * Looking ahead: whether a number is on its way to its limit, and when it will be there. The trend is Theil and Sen's, the
 * median of the slopes of all pairs of windows: a few strange windows do not turn it.
 *
 * @see Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau" (1968), for the slope and its interval
 */
import type { Forecast } from '../../contracts/monitor.ts';

export interface Point {
  /** ms since 1970. */
  at: number;
  value: number;
}

export interface Limit {
  metric: string;
  limit: number;
  /** Whether the limit is crossed upwards. */
  above: boolean;
}

/** Fewer windows are no trend. */
export const windowsAtLeast = 6;
/** The newest so many. */
export const windowsAtMost = 30;
/** Normal quantile of a two-sided interval of 90 %. */
const z = 1.645;
const dayMs = 86_400_000;

/**
 * @param points one a window, any order
 * @returns undefined unless the trend is certain: all of its interval points to the limit, and gets there within the horizon
 */
export function forecastOf(
  points: readonly Point[],
  { metric, limit, above }: Limit,
  horizonMs: number,
): Forecast | undefined {
  const recent = points.toSorted((a, b) => a.at - b.at).slice(-windowsAtMost);
  if (recent.length < windowsAtLeast) return undefined;
  const trend = slopesOf(recent);
  if (!trend) return undefined;
  const last = recent.at(-1)!.at;
  const now = median(recent.map(({ at, value }) => value + trend.slope * (last - at)));
  const towards = above ? 1 : -1;
  const left = (limit - now) * towards;
  const [slow, fast] = above ? [trend.low, trend.high] : [-trend.high, -trend.low];
  if (left <= 0 || slow <= 0) return undefined;
  const daysAt = (speed: number) => left / speed / dayMs;
  const latest = daysAt(slow);
  if (latest * dayMs > horizonMs) return undefined;
  const about = { metric, limit, now, perDay: trend.slope * dayMs, windows: recent.length };
  return { ...about, days: daysAt(trend.slope * towards), soonest: daysAt(fast), latest };
}

/** The median slope of all pairs, and where it lies with 90 %. */
function slopesOf(points: readonly Point[]): { slope: number; low: number; high: number } | undefined {
  const slopes = points
    .flatMap((one, i) =>
      points
        .slice(i + 1)
        .flatMap((other) => (other.at > one.at ? [(other.value - one.value) / (other.at - one.at)] : [])),
    )
    .toSorted((a, b) => a - b);
  if (slopes.length === 0) return undefined;
  const n = points.length;
  const spread = z * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (place: number) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(place)))]!;
  return {
    slope: median(slopes),
    low: at((slopes.length - spread) / 2 - 1),
    high: at((slopes.length + spread) / 2),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
