/** Limits that numbers of the ticks before are on their way to. */
import type { Forecast, TickRecord } from '../../contracts/monitor.ts';
import type { Project } from '../../contracts/project.ts';
import { durationMs } from '../../contracts/artifact.ts';
import { worseBy } from '../evaluate/direction.ts';
import { qualityMargin } from './alerts.ts';
import { forecastOf } from './forecast.ts';
import type { Limit } from './forecast.ts';

type Seen = Pick<TickRecord, 'quality' | 'version'>;

/** @param before the records of earlier ticks, any order; only windows of the same version are one series */
export function outlookOf(now: Seen, before: readonly Seen[], project: Project): Forecast[] {
  const { quality, version } = now;
  if (!quality) return [];
  const judged = [...before, now].flatMap((tick) =>
    tick.quality && tick.version === version && tick.quality.labelled >= project.monitor.minRows
      ? [tick.quality]
      : [],
  );
  const horizonMs = durationMs(project.monitor.horizon);
  return Object.keys(project.gates).flatMap((metric) => {
    const reference = quality.reference[metric];
    if (typeof reference !== 'number') return [];
    const points = judged.flatMap(({ window, metrics }) => {
      const value = metrics[metric];
      return typeof value === 'number' ? [{ at: Date.parse(window.until), value }] : [];
    });
    return forecastOf(points, limitOf(metric, reference, project), horizonMs) ?? [];
  });
}

/** The gate, or where an alert begins, whichever is reached first. */
function limitOf(metric: string, reference: number, { gates }: Project): Limit {
  const above = worseBy(metric, 0, 1) > 0;
  const bar = reference + (above ? 1 : -1) * qualityMargin * Math.abs(reference);
  const gate = above ? gates[metric]?.max : gates[metric]?.min;
  const nearer = above ? Math.min : Math.max;
  return { metric, above, limit: gate === undefined ? bar : nearer(gate, bar) };
}
