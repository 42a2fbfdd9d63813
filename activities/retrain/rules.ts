/** The project's retrain rules against one tick: which fire, and why, in words. */
import { z } from 'zod';
import { Trigger } from '../../contracts/lifecycle.ts';
import type { TickRecord } from '../../contracts/monitor.ts';
import { durationMs } from '../../contracts/artifact.ts';
import type { Project } from '../../contracts/project.ts';
import { worseBy } from '../evaluate/direction.ts';

export const Fired = z.object({ rule: z.string(), kind: Trigger.shape.kind, reason: z.string() });
export type Fired = z.infer<typeof Fired>;

export interface Known {
  /** Event time up to which the champion's data reached. */
  lookedUntil: string;
  /** Counts what came since; only asked when a rule needs it, for it costs a query. */
  newRows(): Promise<number>;
  /** When another model's champion took over; null if none serves. */
  championSince(model: string): Promise<{ version: number; at: string } | null>;
  /** When the champion of this model was registered. */
  registeredAt: string;
}

export async function fired(project: Project, tick: TickRecord, known: Known): Promise<Fired[]> {
  const found: Fired[] = [];
  for (const rule of project.retrain.rules) {
    if (rule.on === 'event' || rule.on === 'code-changed') continue; // of the gateway, not of a tick
    const reason = await reasonOf(rule, project, tick, known);
    const kind = rule.on === 'every' ? 'schedule' : rule.on;
    if (reason !== undefined) found.push({ rule: rule.on, kind, reason });
  }
  return found;
}

type Rule = Exclude<Project['retrain']['rules'][number], { on: 'event' | 'code-changed' }>;

async function reasonOf(
  rule: Rule,
  project: Project,
  tick: TickRecord,
  known: Known,
): Promise<string | undefined> {
  switch (rule.on) {
    case 'drift': {
      if (tick.rows < project.monitor.minRows) return undefined;
      const over = tick.drift.filter((column) => hasDrifted(column, rule.psi, project.monitor.columns));
      if (over.length < rule.features) return undefined;
      return `drift of ${over.map(({ name, psi }) => `${name} (PSI ${psi?.toFixed(3) ?? 'unknown'})`).join(', ')}`;
    }
    case 'quality': {
      const { quality } = tick;
      const now = quality?.metrics[rule.metric];
      const then = quality?.reference[rule.metric];
      if (!quality || quality.labelled < project.monitor.minRows) return undefined;
      if (typeof now !== 'number' || typeof then !== 'number') return undefined;
      const worse = worseBy(rule.metric, then, now);
      if (worse <= rule.worseBy) return undefined;
      const day = quality.window.from.slice(0, 10);
      return `${rule.metric} ${now.toFixed(4)} on ${day}, worse than ${then.toFixed(4)} at evaluation by more than ${rule.worseBy}`;
    }
    case 'new-data': {
      const rows = await known.newRows();
      return rows >= rule.rows ? `${rows} new rows since ${known.lookedUntil}` : undefined;
    }
    case 'forecast': {
      const near = (tick.forecasts ?? []).find(
        ({ metric, days }) =>
          (rule.metric ?? metric) === metric && days * 86_400_000 <= durationMs(rule.within),
      );
      return (
        near && `${near.metric} reaches its limit of ${near.limit} in about ${near.days.toFixed(1)} days`
      );
    }
    case 'upstream': {
      const other = await known.championSince(rule.model);
      if (!other || other.at <= known.registeredAt) return undefined;
      return `${rule.model} has another champion, version ${other.version}, since ${other.at}`;
    }
    case 'every': {
      const age = Date.parse(tick.window.until) - Date.parse(known.lookedUntil);
      return age >= durationMs(rule.period)
        ? `${rule.period} have passed since ${known.lookedUntil}`
        : undefined;
    }
  }
}

/** By the rule's own bar, or by what the tick decided; before 0.5.0 ticks did not, and the bar was 0.25. */
function hasDrifted(
  { name, psi, drifted }: TickRecord['drift'][number],
  bar: number | undefined,
  columns: Project['monitor']['columns'],
): boolean {
  if (bar === undefined && drifted !== undefined) return drifted;
  return psi !== null && psi >= Math.max(bar ?? 0.25, columns[name]?.psi ?? 0);
}
