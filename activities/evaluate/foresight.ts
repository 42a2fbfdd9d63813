/** What monitoring will need of the holdout: how predictions are spread, what they are worth, and which inputs they go by. */
import type { NumberColumn, SummaryColumn } from '../../contracts/drift.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { Foresight } from '../../contracts/watch.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { alone } from '../monitor/comparison/fast.ts';
import { summarise } from '../monitor/comparison/summarise.ts';
import { calibratorsOf } from './calibrator.ts';
import { importanceOf } from './importance.ts';
import type { Shuffled } from './importance.ts';
import { outputWidth } from './judge.ts';
import { topClasses } from './multiclass.ts';

export interface Scored {
  labels: Float64Array;
  outputs: Float32Array;
  /** The sample with shuffled inputs, and what the model says of it. */
  shuffled?: (Shuffled & { outputs: Float32Array }) | undefined;
}

export async function foresightOf(
  db: DuckDb,
  manifest: PreparedManifest,
  { labels, outputs, shuffled }: Scored,
): Promise<Foresight> {
  const { task, signature } = manifest;
  const [output] = signature.outputs;
  const classes = outputWidth(signature);
  const importance = shuffled && importanceOf(manifest, shuffled, shuffled.outputs);
  return {
    prediction:
      task === 'multiclass-classification'
        ? classCounts(output!.name, signature.classes, topClasses(outputs, classes))
        : await numberCounts(db, output!.name, outputs),
    ...(importance && { importance }),
    ...(task !== 'regression' && { calibrators: calibratorsOf({ task, labels, outputs, classes }) }),
  };
}

export function classCounts(name: string, classes: readonly string[], predicted: Uint32Array): SummaryColumn {
  const counts = classes.map(() => 0);
  for (const k of predicted) counts[k]! += 1;
  const others = { rows: 0, values: 0 };
  return { name, kind: 'category', rows: predicted.length, nulls: 0, values: [...classes], counts, others };
}

/** What DuckDB takes at once. */
const chunkRows = 2_048;

/** @param like bins are laid out as there */
export async function numberCounts(
  db: DuckDb,
  name: string,
  values: Float32Array,
  like?: NumberColumn,
): Promise<SummaryColumn> {
  await db.run('CREATE TABLE predicted (value FLOAT)');
  const appender = await db.appendFloats('predicted');
  for (let at = 0; at < values.length; at += chunkRows) appender.append(values.subarray(at, at + chunkRows));
  appender.close();
  const table = {
    ...{ path: name, rows: values.length, skipped: [] },
    columns: [{ name: 'value', kind: 'number' as const }],
    from: '(SELECT value, rowid AS file_row_number FROM predicted)',
  };
  const model = like && alone({ ...like, name: 'value' }, name);
  const { columns } = await summarise(db, table, table.columns, model);
  await db.run('DROP TABLE predicted');
  return { ...columns[0]!, name };
}
