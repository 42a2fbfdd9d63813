/** The project's retrain rules against one tick: which fire, and why, in words. */
import type { Trigger } from '../../contracts/lifecycle.ts';
import type { TickRecord } from '../../contracts/monitor.ts';
import { durationMs } from '../../contracts/artifact.ts';
import type { Project } from '../../contracts/project.ts';
import { worseBy } from '../evaluate/direction.ts';

export interface Fired {
  rule: string;
  kind: Trigger['kind'];
  reason: string;
}

export interface Known {
  /** Event time up to which the champion's data reached. */
  lookedUntil: string;
  /** Counts what came since; only asked when a rule needs it, for it costs a query. */
  newRows(): Promise<number>;
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
      const bar = (name: string) => Math.max(rule.psi, project.monitor.columns[name]?.psi ?? 0);
      const over = tick.drift.filter(({ name, psi }) => psi !== null && psi >= bar(name));
      if (over.length < rule.features) return undefined;
      return `drift of ${over.map(({ name, psi }) => `${name} (PSI ${psi!.toFixed(3)})`).join(', ')}`;
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
    case 'every': {
      const age = Date.parse(tick.window.until) - Date.parse(known.lookedUntil);
      return age >= durationMs(rule.period)
        ? `${rule.period} have passed since ${known.lookedUntil}`
        : undefined;
    }
  }
}
