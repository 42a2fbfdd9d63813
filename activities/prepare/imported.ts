/**
 * Prepare for a model that was trained elsewhere: nothing is fitted, and every labelled row is held out, for nobody
 * knows which rows it has seen. The model is joined with what makes named columns of its inputs.
 */
import { readFile } from 'node:fs/promises';
import type { DatasetManifest } from '../../contracts/dataset.ts';
import { permanent } from '../../contracts/failures.ts';
import type { Imported } from '../../contracts/imported.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { Project } from '../../contracts/project.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { adopt, AdoptFault } from '../../infra/onnx/adopt.ts';
import type { AdoptPlan } from '../../infra/onnx/adopt.ts';
import type { Store } from '../../infra/store/store.ts';
import { labelNumberSql, labelTextSql, orderedClasses } from './labels.ts';
import { writeParts } from './parts.ts';
import { existing } from './plan.ts';

/** Monitoring compares with at most this many rows; more would only cost. */
const referenceRows = 50_000;

export interface ImportedWork {
  deps: { store: Store };
  db: DuckDb;
  folder: string;
  project: Project;
  dataset: DatasetManifest;
  beat(doing: string, rows: number): void;
}

/** @throws `ModelRefused`, `MissingColumn`, `UntrainableData` */
export async function prepareImported(work: ImportedWork, imported: Imported): Promise<PreparedManifest> {
  const { deps, db, folder, project, dataset } = work;
  const { task, key, time, label, slices } = project;
  for (const name of [key, time, ...slices]) existing(name, dataset.columns);
  const { type } = existing(label, dataset.columns);
  const paths: string[] = [];
  for (const part of dataset.parts) paths.push(await deps.store.localPath(part.artifact));
  const source = `read_parquet([${paths.map(quoteLiteral).join(', ')}])`;
  const found = task === 'regression' ? [] : await classesIn(db, source, labelTextSql(label, type));
  const seen = task === 'regression' ? [] : orderedClasses(task, found, dataset.rows);
  const offered = dataset.columns.filter(({ name }) => ![key, time, label].includes(name));
  const { order, output } = { order: imported.columns, output: imported.output };
  const plan = { task, columns: offered, order, output, classes: seen };
  const { signature, packaged } = adopted(await readFile(await deps.store.localPath(imported.model)), plan);
  const number = labelNumberSql(task, label, type, signature.classes);
  await db.run(`CREATE TABLE ordered AS SELECT * FROM ${source} WHERE ${number} IS NOT NULL`);
  const [counted] = await db.rows<{ n: number }>('SELECT count(*) AS n FROM ordered');
  const kept = counted!.n;
  const raw = dataset.columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  const writer = (doing: string) => ({
    ...{ db, folder, store: deps.store },
    wrote: (rows: number) => work.beat(doing, rows),
  });
  const holdout = await writeParts(writer('holdout'), raw, 0, kept);
  const [reference] = await writeParts(writer('reference'), raw, 0, Math.min(kept, referenceRows));
  if (!reference) throw permanent('UntrainableData', `no row has a label in ${label}`, { rows: 0 });
  return {
    ...{ task, key, time, label, columns: dataset.columns, signature },
    layout: { numeric: [], categorical: [], classes: signature.classes },
    transform: await deps.store.putBlob(packaged, 'application/onnx'),
    ...{ train: [], validation: [], holdout, reference },
    rows: { train: 0, validation: 0, holdout: kept },
    fitted: { [label]: { dropped: dataset.rows - kept } },
  };
}

async function classesIn(db: DuckDb, source: string, text: string): Promise<string[]> {
  const rows = await db.rows<{ name: string }>(
    `SELECT DISTINCT ${text} AS name FROM ${source} WHERE name IS NOT NULL ORDER BY name LIMIT 1001`,
  );
  return rows.map(({ name }) => name);
}

function adopted(bytes: Uint8Array, plan: AdoptPlan) {
  try {
    return adopt(bytes, plan);
  } catch (error) {
    if (error instanceof AdoptFault)
      throw permanent('ModelRefused', `the imported model is refused: ${error.message}`, { uri: '' });
    throw error;
  }
}
