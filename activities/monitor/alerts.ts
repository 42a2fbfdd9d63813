/** What of a tick deserves a person's attention. */
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
    alerts.push({ kind: 'silence', message: 'no prediction was asked for in this window' });
  if (seen.rows >= monitor.minRows) {
    for (const { name, psi } of seen.drift) {
      const bar = monitor.columns[name]?.psi ?? monitor.psi;
      if (psi === null || psi < bar) continue;
      const kind = name === output ? 'prediction' : 'drift';
      alerts.push({ kind, message: `${name} has drifted: PSI ${psi.toFixed(3)}, alert from ${bar}` });
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
      alerts.push({ kind: 'quality', message });
    }
  }
  return alerts;
}
