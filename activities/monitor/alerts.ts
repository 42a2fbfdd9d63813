/** What of a tick deserves a person's attention. */
import type { Alert, AlertKind } from '../../contracts/alert.ts';
import type { TickRecord } from '../../contracts/monitor.ts';
import type { Project } from '../../contracts/project.ts';
import type { Package } from '../../contracts/serving.ts';
import { worseBy } from '../evaluate/direction.ts';

type Seen = Omit<TickRecord, 'alerts' | 'judged'>;

/** Quality this much (relative) worse than at evaluation makes an alert, whatever the retrain rules say. */
export const qualityMargin = 0.1;
/** Of so few requests a share of errors says nothing. */
const requestsAtLeast = 20;
/** Of columns that drifted each is told up to here; `esteira monitor` has all. */
const columnsAtMost = 20;

export function alertsOf(seen: Seen, made: Package, project: Project): Alert[] {
  const judged = judgedOf(seen, project);
  const has = (kind: AlertKind) => judged.includes(kind);
  return [
    ...(seen.rows === 0
      ? [{ kind: 'silence' as const, key: 'silence', message: 'no prediction was asked for in this window' }]
      : []),
    ...(has('drift') ? driftAlerts(seen, made, project) : []),
    ...(has('quality') ? qualityAlerts(seen, project) : []),
    ...(has('concept') ? conceptAlerts(seen, project) : []),
    ...(has('fairness') ? fairnessAlerts(seen, project) : []),
    ...(seen.checks ?? []).map(({ check, severity, detail }): Alert => ({
      ...{ kind: 'data', key: `data/${check}`.slice(0, 200), message: `${check}: ${detail}` },
      severity: severity === 'error' ? 'warning' : 'info',
    })),
    ...serviceAlerts(seen, project),
    ...(seen.forecasts ?? []).map((forecast): Alert => ({
      ...{ kind: 'forecast', key: `forecast/${forecast.metric}`, severity: 'info' },
      message: forecastText(forecast),
    })),
  ];
}

/** What there was enough to judge by: an alert of such a kind that is not found again is over. */
export function judgedOf({ rows, quality, service }: Seen, { monitor }: Project): AlertKind[] {
  const labels = quality !== null && quality.labelled >= monitor.minRows;
  return [
    'silence',
    ...(rows >= Math.max(1, monitor.minRows) ? (['drift', 'prediction', 'data'] as const) : []),
    ...(labels ? (['quality', 'fairness', 'forecast'] as const) : []),
    ...(labels && quality.estimate ? (['concept'] as const) : []),
    ...(service && service.requests >= requestsAtLeast ? (['service'] as const) : []),
  ];
}

function driftAlerts({ drift }: Seen, made: Package, { monitor }: Project): Alert[] {
  const output = made.signature.outputs[0]!.name;
  return drift
    .flatMap(({ name, psi, drifted, why }): Alert[] => {
      const kind = name === output ? 'prediction' : 'drift';
      const about = { kind, key: `${kind}/${name}`.slice(0, 200) } as const;
      if (drifted !== undefined) return drifted ? [{ ...about, message: `${name} has drifted: ${why}` }] : [];
      // Made before 0.5.0: no more is known than ten bins.
      const bar = monitor.columns[name]?.psi ?? monitor.psi ?? 0.2;
      if (psi === null || psi < bar) return [];
      return [{ ...about, message: `${name} has drifted: PSI ${psi.toFixed(3)}, alert from ${bar}` }];
    })
    .slice(0, columnsAtMost);
}

/** Only of what the project has a gate for: the rest is in the record for who looks. */
function qualityAlerts({ quality }: Seen, { gates }: Project): Alert[] {
  return Object.keys(gates).flatMap((metric): Alert[] => {
    const [value, reference] = [quality!.metrics[metric], quality!.reference[metric]];
    if (typeof value !== 'number' || typeof reference !== 'number') return [];
    const worse = worseBy(metric, reference, value);
    if (worse <= qualityMargin * Math.abs(reference) || !isCertain(quality!, metric, reference)) return [];
    const message = `${metric} is ${value.toFixed(4)}, was ${reference.toFixed(4)} at evaluation`;
    return [{ kind: 'quality', key: `quality/${metric}`, severity: 'critical', message }];
  });
}

/** Its whole interval is worse than the reference. Where there is none, the value stands for it. */
function isCertain({ intervals }: NonNullable<Seen['quality']>, metric: string, reference: number): boolean {
  const { low, high } = intervals?.[metric] ?? {};
  if (typeof low !== 'number' || typeof high !== 'number') return true;
  return worseBy(metric, reference, low) > 0 && worseBy(metric, reference, high) > 0;
}

/**
 * What was expected of the scores is not what came: the world has changed in a way that inputs do not show. One alert, of
 * the first metric that the project has a gate for; of any, if it has no gates.
 */
function conceptAlerts({ quality }: Seen, { gates }: Project): Alert[] {
  const { intervals = {}, estimate, metrics } = quality!;
  const hasGates = Object.keys(gates).length > 0;
  const apart = Object.entries(estimate!.metrics).find(([metric, { low, high }]) => {
    if (hasGates && gates[metric] === undefined) return false;
    const seen = intervals[metric];
    if (typeof seen?.low !== 'number' || typeof seen.high !== 'number') return false;
    return worseBy(metric, 0, 1) > 0 ? seen.low > high : seen.high < low;
  });
  if (!apart) return [];
  const [metric, expected] = apart;
  const message = `${metric} is ${metrics[metric]!.toFixed(4)}, though by its own scores it should be ${expected.value.toFixed(4)}: what it learned holds no longer`;
  return [{ kind: 'concept', key: 'concept', severity: 'warning', message }];
}

function fairnessAlerts({ quality }: Seen, { monitor: { maxGap } }: Project): Alert[] {
  if (maxGap === undefined) return [];
  return (quality!.fairness ?? []).flatMap(({ column, groups, ...gaps }): Alert[] =>
    (['demographicParityDifference', 'equalizedOddsDifference'] as const).flatMap((name): Alert[] => {
      const gap = gaps[name];
      if (!gap || gap.low <= maxGap) return [];
      const what = name === 'equalizedOddsDifference' ? 'rates of error' : 'rates of positive predictions';
      const message = `${what} of ${groups.length} groups of ${column} lie ${gap.value.toFixed(3)} apart (${gap.low.toFixed(3)} to ${gap.high.toFixed(3)}), more than ${maxGap}`;
      return [
        { kind: 'fairness', key: `fairness/${column}/${name}`.slice(0, 200), severity: 'critical', message },
      ];
    }),
  );
}

function serviceAlerts({ service }: Seen, { monitor }: Project): Alert[] {
  if (!service) return [];
  const alerts: Alert[] = [];
  const { requests, errors, latencyMs } = service;
  const share = errors / Math.max(1, requests);
  if (requests >= requestsAtLeast && share > monitor.service.errors) {
    const message = `${errors} of ${requests} requests failed (${(100 * share).toPrecision(3)} %), more than ${100 * monitor.service.errors} %`;
    alerts.push({ kind: 'service', key: 'service/errors', severity: 'critical', message });
  }
  const { p99Ms } = monitor.service;
  if (p99Ms !== undefined && latencyMs && latencyMs.p99 > p99Ms) {
    const message = `the slowest hundredth of answers took more than ${latencyMs.p99.toFixed(1)} ms, allowed are ${p99Ms}`;
    alerts.push({ kind: 'service', key: 'service/latency', severity: 'warning', message });
  }
  return alerts;
}

function forecastText({
  metric,
  limit,
  now,
  days,
  soonest,
  latest,
}: NonNullable<Seen['forecasts']>[number]): string {
  const range = `${whole(soonest)} to ${whole(latest)}`;
  return `${metric} reaches its limit of ${short(limit)} in about ${whole(days)} days (${range}): it is ${short(now)} now`;
}

const whole = (days: number): string => (days < 10 ? days.toFixed(1) : days.toFixed(0));
const short = (value: number): string => String(Number(value.toPrecision(4)));
