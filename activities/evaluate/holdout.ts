/** The holdout rows' truth: labels as numbers, and the columns that slices go by. */
import { permanent } from '../../contracts/failures.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { labelNumberSql } from '../prepare/labels.ts';
import { existing } from '../prepare/plan.ts';
import type { SliceColumn } from './slices.ts';

export interface Holdout {
  labels: Float64Array;
  slices: SliceColumn[];
}

/** In the order of the parts, which is that of the predictions. */
export async function readHoldout(
  db: Pick<DuckDb, 'stream'>,
  manifest: PreparedManifest,
  paths: readonly string[],
  sliceColumns: readonly string[],
): Promise<Holdout> {
  const { task, label, columns, signature, rows } = manifest;
  const labelSql = labelNumberSql(task, label, existing(label, columns).type, signature.classes);
  const list = [`${labelSql} AS label`, ...sliceColumns.map((name, i) => `${textSql(name)} AS s${i}`)];
  const labels = new Float64Array(rows.holdout);
  const slices = sliceColumns.map((column) => dictionary(column, rows.holdout));
  let at = 0;
  for (const path of paths) {
    for await (const chunk of db.stream(
      `SELECT ${list.join(', ')} FROM read_parquet(${quoteLiteral(path)})`,
    )) {
      labels.set(chunk.columns['label'] as Float64Array, at);
      slices.forEach((slice, i) => slice.add(chunk.columns[`s${i}`] as string[], at));
      at += chunk.rows;
    }
  }
  return { labels, slices: slices.map(({ slice }) => slice) };
}

const textSql = (name: string) => `coalesce(CAST(${quoteIdentifier(name)} AS VARCHAR), '(missing)')`;

export function dictionary(column: string, rows: number) {
  const places = new Map<string, number>();
  const slice: SliceColumn = { column, values: [], index: new Uint32Array(rows) };
  return {
    slice,
    add(texts: readonly string[], at: number) {
      for (const [i, text] of texts.entries()) {
        let place = places.get(text);
        if (place === undefined) {
          place = slice.values.push(text) - 1;
          places.set(text, place);
        }
        slice.index[at + i] = place;
      }
    },
  };
}

/** @throws `UnscorableHoldout` when a classifier's holdout rows are all of one class */
export function refuseOneClass({ task }: PreparedManifest, labels: Float64Array): void {
  if (task === 'regression' || labels.some((label) => label !== labels[0])) return;
  const rows = labels.length;
  const positives = labels[0] === 1 ? rows : 0;
  throw permanent('UnscorableHoldout', `all ${rows} holdout rows have one label`, { rows, positives });
}
