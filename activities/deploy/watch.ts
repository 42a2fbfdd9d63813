/** `Watch`: the reference that monitoring compares windows with, and how far windows of the version's own data lie from it. */
import type { DatasetManifest } from '../../contracts/dataset.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import type { Signature } from '../../contracts/serving.ts';
import type { Foresight, Watch } from '../../contracts/watch.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import { summarise } from '../monitor/comparison/summarise.ts';
import { tableOf } from '../monitor/comparison/table-of.ts';
import type { TableColumn } from '../monitor/comparison/table.ts';
import type { ScoreRows } from './natural-predictions.ts';
import { naturalOf } from './natural.ts';

export interface Sources {
  prepared: PreparedManifest;
  dataset: DatasetManifest;
  pinned: PinnedProject;
  foresight: Foresight;
  /** Files on this machine. */
  paths: { reference: string; dataset: readonly string[] };
  score: ScoreRows;
}

export async function watchOf(db: DuckDb, sources: Sources): Promise<Watch> {
  const { prepared, pinned, foresight, paths } = sources;
  const { project } = pinned;
  const columns = watchedColumns(prepared.signature, project.log.pii);
  const table = await tableOf(db, 'reference', `read_parquet(${quoteLiteral(paths.reference)})`, columns);
  const inputs = await summarise(db, table, columns);
  await db.run('DROP TABLE reference');
  return {
    watch: 'esteira/1',
    ...foresight,
    inputs: { ...inputs, source: 'reference' },
    natural: await naturalOf(db, sources, columns, inputs),
  };
}

/** Time moves on by itself, and what is not written down as it is cannot be compared. */
function watchedColumns({ inputs }: Signature, pii: Record<string, unknown>): TableColumn[] {
  return inputs.flatMap(({ name, datatype, kind }) => {
    if (kind === 'timestamp' || pii[name] !== undefined) return [];
    return [{ name, kind: datatype === 'BYTES' || datatype === 'BOOL' ? 'category' : 'number' }];
  });
}
