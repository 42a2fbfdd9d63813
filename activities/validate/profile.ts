/**
 * The profile of a dataset version. One scan gathers every column's aggregates; a second one bins
 * the numbers, for bins need the range; and one short query a text column finds its top values.
 */
import { Context } from '@temporalio/activity';
import type { Column, ColumnProfile, DatasetManifest, Profile } from '../../contracts/dataset.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier } from '../../infra/duckdb.ts';

const bins = 20;
const topAtMost = 50;
/** What fewer rows have may be somebody's name, and says nothing of a distribution. */
const topAtLeast = 10;
const deciles = Array.from({ length: 11 }, (_, i) => i / 10);

export async function profileOf(db: DuckDb, manifest: DatasetManifest): Promise<Profile> {
  const { columns, rows } = manifest;
  const [totals] = await db.rows<Record<string, number | number[] | null>>(
    `SELECT ${columns.flatMap(aggregates).join(', ')} FROM dataset`,
  );
  Context.current().heartbeat({ profiled: columns.length });
  const profiles = columns.map((column, i) => basics(column, i, rows, totals!));
  await addHistograms(db, columns, profiles);
  await addTops(db, manifest, profiles);
  return { rows, columns: profiles };
}

/** `c<i>_<what>` for each aggregate; numbers and timestamps (as ms) have moments and quantiles. */
function aggregates(column: Column, i: number): string[] {
  const name = quoteIdentifier(column.name);
  const always = [`count(${name}) AS c${i}_count`, `approx_count_distinct(${name}) AS c${i}_distinct`];
  const x = numeric(column);
  if (x === undefined) return always;
  return [
    ...always,
    `min(${x}) AS c${i}_min`,
    `max(${x}) AS c${i}_max`,
    `avg(${x}) AS c${i}_mean`,
    `stddev_pop(${x}) AS c${i}_std`,
    `approx_quantile(${x}, [${deciles.join(', ')}]) AS c${i}_deciles`,
  ];
}

/** The column as a finite DOUBLE, or undefined for text. */
function numeric({ name, type }: Column): string | undefined {
  const quoted = quoteIdentifier(name);
  if (type === 'timestamp') return `CAST(epoch_ms(${quoted}) AS DOUBLE)`;
  if (type === 'integer') return `CAST(${quoted} AS DOUBLE)`;
  if (type === 'number') return `CASE WHEN isfinite(${quoted}) THEN ${quoted} END`;
  return undefined;
}

function basics(
  { name, type }: Column,
  i: number,
  rows: number,
  totals: Record<string, number | number[] | null>,
): ColumnProfile {
  const number = (what: string) => totals[`c${i}_${what}`] as number | null | undefined;
  const profile: ColumnProfile = {
    name,
    type,
    rows,
    nulls: rows - (number('count') ?? 0),
    distinct: number('distinct') ?? 0,
  };
  for (const what of ['min', 'max', 'mean', 'std'] as const) {
    const value = number(what);
    if (value !== null && value !== undefined) profile[what] = value;
  }
  const quantiles = totals[`c${i}_deciles`];
  if (Array.isArray(quantiles)) profile.deciles = quantiles;
  return profile;
}

async function addHistograms(db: DuckDb, columns: Column[], profiles: ColumnProfile[]): Promise<void> {
  const wanted = profiles.flatMap(({ min, max }, i) =>
    min !== undefined && max! > min ? [{ i, min, max: max! }] : [],
  );
  if (wanted.length === 0) return;
  const selected = wanted.flatMap(({ i, min, max }) => {
    const x = numeric(columns[i]!)!;
    const bin = `CASE WHEN ${x} >= ${max} THEN ${bins - 1} ELSE floor((${x} - ${min}) / ${max - min} * ${bins}) END`;
    return Array.from({ length: bins }, (_, b) => `count(*) FILTER (WHERE ${bin} = ${b}) AS h${i}_${b}`);
  });
  const [counts] = await db.rows<Record<string, number>>(`SELECT ${selected.join(', ')} FROM dataset`);
  for (const { i } of wanted) {
    profiles[i]!.histogram = Array.from({ length: bins }, (_, b) => counts![`h${i}_${b}`]!);
  }
}

async function addTops(db: DuckDb, manifest: DatasetManifest, profiles: ColumnProfile[]): Promise<void> {
  for (const profile of profiles) {
    const text = profile.type === 'string' || profile.type === 'boolean';
    if (!text || profile.name === manifest.key) continue; // a key has no frequent values, and many of them
    const name = quoteIdentifier(profile.name);
    profile.top = await db.rows<{ value: string; count: number }>(
      `SELECT CAST(${name} AS VARCHAR) AS value, count(*) AS count FROM dataset
       WHERE ${name} IS NOT NULL GROUP BY ${name} HAVING count(*) >= ${topAtLeast} ORDER BY count DESC, value LIMIT ${topAtMost}`,
    );
  }
}
