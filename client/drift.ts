/** Drift and profiles as people read them, and the program that makes them. */
import type {
  DomainResult,
  DriftProgram,
  DriftReport,
  ProfileReport,
  StreamReport,
} from '../contracts/drift.ts';
import { start } from '../infra/start.mjs';
import { counted, table } from './output.ts';

/** Started by path, as all workers are, but in this process: another one would take longer to start than to compare. */
export async function driftProgram(): Promise<DriftProgram> {
  const { program } = (await start(new URL('../workers/drift.ts', import.meta.url))) as {
    program: DriftProgram;
  };
  return program;
}

export function driftText({
  reference,
  current,
  columns,
  skipped,
  mode,
  drifted,
  domain,
}: DriftReport): string {
  const rows = columns.map((column) => {
    const test = column.kind === 'number' ? column.ks : column.chi2;
    const distance = column.kind === 'number' ? column.wassersteinNormed : column.tvd;
    return [
      column.name,
      column.drifted ? 'drift' : 'ok',
      ...[column.psi, column.jensenShannon, column.hellinger, distance, test?.pValue].map(short),
      `${percent(column.nullShare.reference)} → ${percent(column.nullShare.current)}`,
      column.why,
    ];
  });
  const head = ['column', '', 'PSI', 'JS', 'Hellinger', 'W₁/σ, TVD', 'p (KS, χ²)', 'missing', 'why'];
  const many = columns.filter((column) => column.drifted).length;
  return [
    `${whole(reference.rows)} rows of ${reference.path}, ${whole(current.rows)} of ${current.path}${mode === 'fast' ? ', from summaries' : ''}`,
    '',
    table(head, rows),
    ...skipped.map(({ name, why }) => `${name} is left out: ${why}`),
    '',
    ...(domain ? [domainText(domain)] : []),
    drifted ? `${many} of ${counted(columns.length, 'column')} drifted.` : 'No column drifted.',
  ].join('\n');
}

function domainText({ rocAuc, pValue, drifted, columns }: DomainResult): string {
  const by = columns.slice(0, 3).map(({ name, share }) => `${name} (${percent(share)})`);
  const what = drifted
    ? `As a whole rows are told apart, most by ${by.join(', ')}`
    : 'As a whole rows are not told apart';
  return `${what}: area under the curve ${short(rocAuc)}, p ${short(pValue)}.`;
}

export function streamText({ path, column, detector, rows, nulls, detections }: StreamReport): string {
  const seen = `${whole(rows)} values of ${column} in ${path}${nulls > 0 ? `, ${whole(nulls)} rows without one` : ''}`;
  if (detections.length === 0) return `${seen}: ${detector} found no drift.`;
  const shown = detections.slice(0, 20).join(', ');
  const more = detections.length > 20 ? `, and ${counted(detections.length - 20, 'more')}` : '';
  return `${seen}: ${detector} found drift at row ${shown}${more} (counted from 0).`;
}

export function profileText({ path, rows, estimated, columns, skipped }: ProfileReport): string {
  const cells = columns.map((column) => [
    column.name,
    column.kind,
    percent(column.nulls / Math.max(1, rows)),
    whole(column.distinct),
    ...[column.min, column.quantiles?.['0.5'], column.max, column.mean, column.std].map(short),
    (column.top ?? []).map(({ value }) => (value.length > 20 ? `${value.slice(0, 19)}…` : value)).join(', '),
  ]);
  const head = [
    'column',
    'kind',
    'missing',
    'distinct',
    'min',
    'median',
    'max',
    'mean',
    'std',
    'most frequent',
  ];
  return [
    `${whole(rows)} rows of ${path}`,
    '',
    table(head, cells),
    ...(estimated ? ['Different values and medians are estimates, for there are so many rows.'] : []),
    ...skipped.map(({ name, why }) => `${name} is left out: ${why}`),
  ].join('\n');
}

function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return '';
  return String(Number(value.toPrecision(4)));
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const whole = (value: number): string => value.toLocaleString('en-US');
