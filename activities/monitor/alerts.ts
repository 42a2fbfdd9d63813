/** What of a tick deserves a person's attention. */
import type { AlertKind } from '../../contracts/alert.ts';
import type { TickRecord } from '../../contracts/monitor.ts';
import type { Project } from '../../contracts/project.ts';
import type { Package } from '../../contracts/serving.ts';
import { worseBy } from '../evaluate/direction.ts';

type Seen = Omit<TickRecord, 'alerts'>;

/** Quality this much (relative) worse than at evaluation makes an alert, whatever the retrain rules say. */
const qualityMargin = 0.1;

export function alertsOf(seen: Seen, made: Package, { monitor, gates }: Project): TickRecord['alerts'] {
  const output = made.signature.outputs[0]!.name;
  const alerts: TickRecord['alerts'] = [];
  if (seen.rows === 0)
    alerts.push({ kind: 'silence', key: 'silence', message: 'no prediction was asked for in this window' });
  if (seen.rows >= monitor.minRows) {
    for (const { name, psi } of seen.drift) {
      const bar = monitor.columns[name]?.psi ?? monitor.psi;
      if (psi === null || psi < bar) continue;
      const kind = name === output ? 'prediction' : 'drift';
      const message = `${name} has drifted: PSI ${psi.toFixed(3)}, alert from ${bar}`;
      alerts.push({ kind, key: `${kind}/${name}`, message });
    }
  }
  const { quality } = seen;
  if (quality && quality.labelled >= monitor.minRows) {
    // Only what the project has a gate for: the rest is in the record for who looks.
    for (const metric of Object.keys(gates)) {
      const [value, reference] = [quality.metrics[metric], quality.reference[metric]];
      if (typeof value !== 'number' || typeof reference !== 'number') continue;
      const worse = worseBy(metric, reference, value);
      if (worse <= qualityMargin * Math.abs(reference)) continue;
      const message = `${metric} is ${value.toFixed(4)}, was ${reference.toFixed(4)} at evaluation`;
      alerts.push({ kind: 'quality', key: `quality/${metric}`, message });
    }
  }
  return alerts;
}

/** What there was enough to judge by: an alert of such a kind that is not found again is over. */
export function judgedOf({ rows, quality }: Seen, { monitor }: Project): AlertKind[] {
  return [
    'silence',
    ...(rows >= Math.max(1, monitor.minRows) ? (['drift', 'prediction'] as const) : []),
    ...(quality && quality.labelled >= monitor.minRows ? (['quality'] as const) : []),
  ];
}
