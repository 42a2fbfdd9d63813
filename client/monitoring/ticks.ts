/** `esteira monitor`: a model's windows, one after the other, as a person reads them in a terminal. */
import { TickRecord, WindowDetails } from '../../contracts/monitor.ts';
import type { ColumnDrift } from '../../contracts/monitor.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { NotFound } from '../errors.ts';
import { table } from '../output.ts';

export interface Watching {
  model: string;
  /** Oldest first. */
  ticks: TickRecord[];
}

/** The newest `many` windows that end at `until` or before. @throws NotFound when there is none */
export async function ticksOf(store: Store, model: string, many: number, until = '9999'): Promise<Watching> {
  const last = `monitor/${model}/${until.replaceAll(/[:.]/g, '-')}.json`;
  const keys: string[] = [];
  for await (const { key } of store.list(`monitor/${model}/`)) if (key <= last) keys.push(key);
  const newest = keys.toSorted().slice(-many);
  const records = await Promise.all(newest.map((key) => readJson(store, key, TickRecord)));
  const ticks = records.flatMap((record) => record?.value ?? []);
  if (ticks.length > 0) return { model, ticks };
  throw new NotFound(
    `${model} was not monitored yet; its windows begin when a version serves, one every \`monitor.every\``,
  );
}

/** What the last window's record leaves out: undefined for versions made before 0.5.0, and for windows without rows. */
export async function detailsOf(store: Store, { ticks }: Watching): Promise<WindowDetails | undefined> {
  const { details } = ticks.at(-1)!;
  return details && readJsonBlob(store, details, WindowDetails);
}

export function watchingText({ model, ticks }: Watching): string {
  const last = ticks.at(-1)!;
  const alerts = last.alerts.map(
    ({ severity, message }) => `  ${severity === 'critical' ? '!!' : '! '} ${message}`,
  );
  return [
    `${model}, version ${last.version ?? '–'}: ${ticks.length} windows, the last until ${moment(last.window.until)}`,
    '',
    table(['', 'over time', 'last', ''], seriesOf(ticks)),
    '',
    columnsText(last),
    ...(alerts.length > 0 ? ['', 'In this window:', ...alerts] : ['', 'Nothing to be told in this window.']),
    ...(last.checks?.length === 0 || !last.checks
      ? []
      : ['', `${last.checks.length} checks of the project are broken.`]),
  ].join('\n');
}

/** name, sparkline, last value, remark */
function seriesOf(ticks: readonly TickRecord[]): string[][] {
  const last = ticks.at(-1)!;
  const row = (name: string, pick: (tick: TickRecord) => number | null | undefined, remark = '') => {
    const values = ticks.map((tick) => pick(tick) ?? null);
    if (values.every((value) => value === null)) return [];
    return [[name, sparkline(values), number(values.at(-1) ?? null), remark]];
  };
  const measured = new Set(ticks.flatMap(({ quality }) => Object.keys(quality?.reference ?? {})));
  const metrics = metricsShown.filter((name) => measured.has(name));
  const { quality, service } = last;
  return [
    ...row('rows', ({ rows }) => rows, service ? `${number(service.rowsPerMinute)} a minute` : ''),
    ...row('columns that drifted', ({ drift }) => drift.filter(({ drifted }) => drifted).length),
    ...row('alerts', ({ alerts }) => alerts.length),
    ...row('99 % of answers, ms', (tick) => tick.service?.latencyMs?.p99),
    ...row('labels, share', (tick) => tick.quality?.coverage),
    ...metrics.flatMap((name) => [
      ...row(name, (tick) => tick.quality?.metrics[name], rangeOf(last, name)),
      ...row(`${name}, expected`, (tick) => tick.estimate?.metrics[name]?.value),
    ]),
    ...(quality ? [] : [['quality', '', '', 'no labels yet for the window that should have them']]),
  ];
}

/** What says most of a model of its kind; the record has all. */
export const metricsShown = ['log_loss', 'roc_auc', 'accuracy', 'macro_f1', 'rmse', 'r2'];

/** `0.47 to 0.50; 0.4812 at evaluation` */
function rangeOf({ quality, forecasts }: TickRecord, name: string): string {
  const { low, high } = quality?.intervals?.[name] ?? {};
  const range =
    typeof low === 'number' && typeof high === 'number' ? [`${number(low)} to ${number(high)}`] : [];
  const reference = quality?.reference[name];
  const then = typeof reference === 'number' ? [`${number(reference)} at evaluation`] : [];
  const ahead = forecasts?.find(({ metric }) => metric === name);
  const soon = ahead ? [`at ${number(ahead.limit)} in about ${ahead.days.toFixed(0)} days`] : [];
  return [...range, ...then, ...soon].join('; ');
}

const columnsShown = 10;

function columnsText({ drift, usualFrom }: TickRecord): string {
  if (drift.length === 0) return 'No columns were compared.';
  const rows = drift
    .slice(0, columnsShown)
    .map((column) => [
      column.name,
      column.drifted === undefined ? '' : column.drifted ? 'drift' : 'ok',
      number(column.psi),
      number(column.importance ?? null),
      number(column.pValue ?? null),
      String(column.nulls),
      whyOf(column),
    ]);
  const more = drift.length - rows.length;
  const usual =
    usualFrom === undefined || usualFrom > 0 ? [] : ['Too few windows before it to tell what is usual.'];
  return [
    table(['column', '', 'PSI', 'importance', 'p', 'missing', 'why'], rows),
    ...(more > 0 ? [`and ${more} more, of less weight`] : []),
    ...usual,
  ].join('\n');
}

const whyOf = ({ why = '' }: ColumnDrift): string => (why.length > 90 ? `${why.slice(0, 89)}…` : why);

const bars = '▁▂▃▄▅▆▇█';

/** One sign a window, a dot where there is no number; flat if all are alike. */
export function sparkline(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const sign = (value: number) =>
    bars[high === low ? 0 : Math.round(((value - low) / (high - low)) * (bars.length - 1))]!;
  return values.map((value) => (value === null ? '·' : sign(value))).join('');
}

function number(value: number | null): string {
  if (value === null) return '';
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  return Math.abs(value) < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

const moment = (at: string): string => at.slice(0, 16).replace('T', ' ');
