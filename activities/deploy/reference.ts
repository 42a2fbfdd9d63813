/**
 * What monitoring will compare with: for every watched column its bins over the training rows, and
 * for the prediction its bins over the holdout. Small and mergeable, so a tick scans new rows only.
 */
import type { Scorecard } from '../../contracts/evaluation.ts';
import type { ReferenceColumn, Signature } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';

/** As in credit scoring, where the index comes from: ten bins of equal mass. */
const bins = 10;
const categoriesAtMost = 30;
/** Bins of the prediction are merged until each holds at least this share. */
const leastMass = 0.05;

export async function referenceOf(
  db: DuckDb,
  path: string,
  signature: Signature,
  scorecard: Scorecard,
): Promise<ReferenceColumn[]> {
  const source = `read_parquet(${quoteLiteral(path)})`;
  const columns: ReferenceColumn[] = [];
  for (const { name, datatype, kind } of signature.inputs) {
    if (kind === 'timestamp') continue; // time moves on by itself
    columns.push(datatype === 'BYTES' ? await category(db, source, name) : await number(db, source, name));
  }
  return [...columns, prediction(scorecard, signature.outputs[0]!.name)];
}

async function number(db: DuckDb, source: string, name: string): Promise<ReferenceColumn> {
  const x = `CAST(${quoteIdentifier(name)} AS DOUBLE)`;
  const quantiles = Array.from({ length: bins - 1 }, (_, i) => (i + 1) / bins);
  const [found] = await db.rows<{ edges: number[] | null; rows: number; nulls: number }>(
    `SELECT quantile_disc(${x}, [${quantiles.join(', ')}]) AS edges, count(*) AS rows, count(*) - count(${x}) AS nulls
     FROM ${source} WHERE ${x} IS NULL OR isfinite(${x})`,
  );
  const edges = [...new Set(found!.edges ?? [])];
  const counted = await db.rows<{ bin: number; n: number }>(
    `SELECT ${binOf(x, edges)} AS bin, count(*) AS n FROM ${source}
     WHERE isfinite(${x}) GROUP BY bin`,
  );
  const counts = Array.from(
    { length: edges.length + 1 },
    (_, i) => counted.find(({ bin }) => bin === i)?.n ?? 0,
  );
  return { name, kind: 'number', rows: found!.rows, nulls: found!.nulls, edges, counts };
}

/** SQL for the bin of `x`: the number of edges below it, so a value on an edge is in the lower bin. */
export function binOf(x: string, edges: readonly number[]): string {
  if (edges.length === 0) return '0';
  return edges.map((edge) => `CAST(${x} > ${edge} AS INTEGER)`).join(' + ');
}

async function category(db: DuckDb, source: string, name: string): Promise<ReferenceColumn> {
  const column = quoteIdentifier(name);
  const all = await db.rows<{ value: string | null; n: number }>(
    `SELECT ${column} AS value, count(*) AS n FROM ${source} GROUP BY ${column} ORDER BY n DESC, value`,
  );
  const nulls = all.find(({ value }) => value === null)?.n ?? 0;
  const known = all.filter((one): one is { value: string; n: number } => one.value !== null);
  const kept = known.slice(0, categoriesAtMost);
  const others = known.slice(categoriesAtMost).reduce((sum, { n }) => sum + n, 0);
  return {
    name,
    kind: 'category',
    rows: all.reduce((sum, { n }) => sum + n, 0),
    nulls,
    values: kept.map(({ value }) => value),
    counts: [...kept.map(({ n }) => n), others],
  };
}

/** The holdout's histogram of predictions, neighbours merged until every bin has mass. */
function prediction({ predictions, rows }: Scorecard, name: string): ReferenceColumn {
  const { low, high, counts } = predictions;
  const width = (high - low) / counts.length;
  const edges: number[] = [];
  const merged: number[] = [];
  let mass = 0;
  counts.forEach((count, i) => {
    mass += count;
    const last = i === counts.length - 1;
    if (mass < leastMass * rows && !last) return;
    merged.push(mass);
    if (!last) edges.push(low + width * (i + 1));
    mass = 0;
  });
  return { name, kind: 'number', rows, nulls: 0, edges, counts: merged };
}
