/** How models stand, as Prometheus reads it: pure. A number that is not known has no sample. */
import { family, labels } from '../../infra/exposition.ts';
import type { Sample } from '../../infra/exposition.ts';
import { columnsAtMost } from './standing.ts';
import type { ModelStanding, SeenWindow } from './standing.ts';

type Value = number | boolean | null | undefined;
type Labelled = [more: Record<string, string | number>, value: Value];

export function monitoringFamilies(models: readonly ModelStanding[]): string[] {
  const gauge = (name: string, help: string, of: (standing: ModelStanding) => Labelled[]) =>
    family(`esteira_monitoring_${name}`, 'gauge', help, samplesOf(models, of));
  const one = (name: string, help: string, of: (standing: ModelStanding) => Value) =>
    gauge(name, help, (standing) => [[{}, of(standing)]]);
  return [
    ...one('champion_version', 'The version that serves', ({ slots }) => slots?.champion?.version),
    ...one('slots_epoch', 'Grows by one with each change of what serves', ({ slots }) => slots?.epoch),
    ...one('lifecycle_in_flight', 'Whether a lifecycle runs', ({ lifecycle }) =>
      lifecycle ? lifecycle.outcome === null : 0,
    ),
    ...one('window_end_timestamp_seconds', 'End of the newest window that was looked at', ({ seen }) =>
      seconds(seen?.window.until),
    ),
    ...one('rows', 'Predictions in the newest window', ({ seen }) => seen?.rows),
    ...one(
      'rows_per_minute',
      'Predictions a minute in the newest window',
      ({ seen }) => seen?.service?.rowsPerMinute,
    ),
    ...one('latency_median_seconds', 'Until a single row was answered, in the newest window', ({ seen }) =>
      inSeconds(seen?.service?.latencyMs?.p50),
    ),
    ...one('latency_p99_seconds', 'The slowest hundredth of them took longer', ({ seen }) =>
      inSeconds(seen?.service?.latencyMs?.p99),
    ),
    ...one(
      'requests',
      'Requests that replicas have counted since the window before',
      ({ seen }) => seen?.service?.requests,
    ),
    ...one('errors', 'Of these, those that failed', ({ seen }) => seen?.service?.errors),
    ...driftFamilies(one, gauge),
    ...qualityFamilies(one, gauge),
    ...gauge('forecast_days', 'Until a metric reaches its limit, by its trend', forecasts),
    ...gauge('alerts_open', 'Alerts that are not closed', alerts),
    ...gauge('messages_undelivered', 'Messages about alerts that nobody has taken', ({ undelivered }) => [
      ...Object.entries(undelivered).map(([state, count]): Labelled => [{ state }, count]),
    ]),
    ...gauge(
      'triggers_last_day',
      'What asked for a lifecycle in the last 24 hours, by what became of it',
      triggers,
    ),
  ];
}

type Gauge = (name: string, help: string, of: (standing: ModelStanding) => Labelled[]) => string[];
type One = (name: string, help: string, of: (standing: ModelStanding) => Value) => string[];

function driftFamilies(one: One, gauge: Gauge): string[] {
  const ofColumns = (of: (column: SeenWindow['columns'][number]) => Value) => (standing: ModelStanding) =>
    (standing.seen?.columns ?? []).map((column): Labelled => [{ column: column.name }, of(column)]);
  return [
    ...one(
      'columns_compared',
      'Columns of the newest window that were compared',
      ({ seen }) => seen?.compared,
    ),
    ...one('columns_drifted', 'Of these, those that have drifted', ({ seen }) => seen?.drifted),
    ...one('psi_worst', 'The largest PSI among them', ({ seen }) => seen?.worstPsi),
    ...gauge(
      'column_psi',
      `Of the ${columnsAtMost} columns that matter most`,
      ofColumns(({ psi }) => psi),
    ),
    ...gauge(
      'column_drifted',
      'Whether a column has drifted',
      ofColumns(({ drifted }) => drifted),
    ),
  ];
}

/** `realised` by labels, `expected` of the same window from scores alone where labels are late, `evaluation` at evaluation. */
function qualityFamilies(one: One, gauge: Gauge): string[] {
  const bound =
    (side: 'low' | 'high') =>
    ({ seen }: ModelStanding) => [
      ...each(seen?.quality?.intervals, 'realised', (interval) => interval[side]),
      ...each(seen?.estimate?.metrics, 'expected', (estimated) => estimated[side]),
    ];
  return [
    ...one(
      'label_coverage_ratio',
      'Share of rows with a label, in the window whose labels should have come',
      ({ seen }) => seen?.quality?.coverage,
    ),
    ...one('quality_window_end_timestamp_seconds', 'End of the window that the labels are of', ({ seen }) =>
      seconds(seen?.quality?.window.until),
    ),
    ...gauge(
      'metric',
      'Quality: realised by labels, expected from scores alone, and at evaluation',
      ({ seen }) => [
        ...each(seen?.quality?.metrics, 'realised', (value) => value),
        ...each(seen?.estimate?.metrics, 'expected', ({ value }) => value),
        ...each(seen?.quality?.reference, 'evaluation', (value) => value),
      ],
    ),
    ...gauge('metric_low', 'Where its interval begins', bound('low')),
    ...gauge('metric_high', 'Where its interval ends', bound('high')),
  ];
}

function each<T>(values: Record<string, T> | undefined, source: string, of: (value: T) => Value): Labelled[] {
  return Object.entries(values ?? {}).map(([metric, value]) => [{ metric, source }, of(value)]);
}

const inSeconds = (ms: number | undefined): Value => ms && ms / 1_000;

const forecasts = ({ seen }: ModelStanding): Labelled[] =>
  (seen?.forecasts ?? []).map(({ metric, days }) => [{ metric }, days]);

/** A model without alerts has one sample that says so: else it could not be told from one that nobody watches. */
function alerts({ open }: ModelStanding): Labelled[] {
  if (open.length === 0) return [[{ kind: '', severity: '', state: '' }, 0]];
  return counted(open.map(({ kind, severity, state }) => ({ kind, severity, state })));
}

function triggers({ triggers: entries }: ModelStanding): Labelled[] {
  return counted(
    entries.map(({ trigger, disposition }) => ({
      ...{ kind: trigger.kind, disposition: disposition.status },
      why: 'code' in disposition ? (disposition.code ?? '') : '',
    })),
  );
}

function counted(things: readonly Record<string, string>[]): Labelled[] {
  const counts = new Map<string, Labelled>();
  for (const thing of things) {
    const key = labels(thing);
    counts.set(key, [thing, Number(counts.get(key)?.[1] ?? 0) + 1]);
  }
  return [...counts.values()];
}

function samplesOf(models: readonly ModelStanding[], of: (standing: ModelStanding) => Labelled[]): Sample[] {
  return models.flatMap((standing) =>
    of(standing).flatMap(([more, value]): Sample[] =>
      value === null || value === undefined
        ? []
        : [[labels({ model: standing.model, ...more }), Number(value)]],
    ),
  );
}

const seconds = (moment: string | undefined): number | undefined =>
  moment === undefined ? undefined : Date.parse(moment) / 1_000;
