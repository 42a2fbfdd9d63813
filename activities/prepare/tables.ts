/**
 * From parts to one table in the order that everything else relies on: `ordered` holds the training rows
 * first (shuffled, so that a part is a fair sample), then validation, then holdout (each by time).
 *
 * Ours are the columns that begin with two underscores; all others are the dataset's. Row ids of a table
 * follow its insertion order, so a range of them is a part.
 */
import { permanent } from '../../contracts/failures.ts';
import type { DatasetManifest } from '../../contracts/dataset.ts';
import type { Project } from '../../contracts/project.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { labelNumberSql, labelTextSql, orderedClasses } from './labels.ts';
import { existing } from './plan.ts';
import { hashSql, splitSql } from './split.ts';

type Db = Pick<DuckDb, 'run' | 'rows'>;

export interface Ordered {
  classes: string[];
  rows: { train: number; validation: number; holdout: number };
  /** Rows without a label: they are in no part. */
  dropped: number;
}

/** Fewer training rows than this are no sample of anything. */
const fewestRows = 20;

/** @throws `UntrainableData`, `MissingColumn` */
export async function orderRows(
  db: Db,
  project: Project,
  manifest: DatasetManifest,
  paths: readonly string[],
): Promise<Ordered> {
  const { task, label, key, time, split } = project;
  const { type } = existing(label, manifest.columns);
  await db.run(`CREATE VIEW placed AS ${placedSql(paths)}`);
  const classes = task === 'regression' ? [] : await classesOf(db, project, labelTextSql(label, type));
  const number = labelNumberSql(task, label, type, classes);
  const text = task === 'regression' ? 'NULL' : labelTextSql(label, type);
  await db.run(
    `CREATE VIEW labelled AS SELECT *, ${text} AS __class FROM placed WHERE ${number} IS NOT NULL`,
  );
  await db.run(`CREATE TABLE sides AS ${splitSql(split, { key, time })}`);
  const shuffle = hashSql('CAST(__pos AS VARCHAR)', 'seed' in split ? split.seed : 0);
  await db.run(
    `CREATE TABLE ordered AS SELECT * EXCLUDE (side), CAST(side AS TINYINT) AS __side
     FROM labelled JOIN sides USING (__pos)
     ORDER BY side, CASE WHEN side = 0 THEN ${shuffle} END,
       ${quoteIdentifier(time)}, ${quoteIdentifier(key)}, __pos`,
  );
  await db.run('DROP TABLE sides');
  const rows = await countSides(db);
  refuseTooFew(rows);
  return { classes, rows, dropped: manifest.rows - rows.train - rows.validation - rows.holdout };
}

/** `__pos` is a row's place in the dataset: part, then row in the part. */
function placedSql(paths: readonly string[]): string {
  return paths
    .map((path, i) => {
      const place = `${i} * 4294967296 + file_row_number AS __pos`;
      return `SELECT * EXCLUDE (file_row_number), ${place}
        FROM read_parquet(${quoteLiteral(path)}, file_row_number = true)`;
    })
    .join('\nUNION ALL ');
}

async function classesOf(db: Db, { task }: Project, text: string): Promise<string[]> {
  const found = await db.rows<{ class: string; count: number | bigint }>(
    `SELECT ${text} AS class, count(*) AS count FROM placed WHERE class IS NOT NULL GROUP BY 1 LIMIT 1001`,
  );
  const rows = found.reduce((sum, { count }) => sum + Number(count), 0);
  return orderedClasses(
    task,
    found.map((each) => each.class),
    rows,
  );
}

async function countSides(db: Db): Promise<Ordered['rows']> {
  const found = await db.rows<{ side: number; count: number | bigint }>(
    'SELECT __side AS side, count(*) AS count FROM ordered GROUP BY 1',
  );
  const count = (side: number) => Number(found.find((each) => Number(each.side) === side)?.count ?? 0);
  return { train: count(0), validation: count(1), holdout: count(2) };
}

function refuseTooFew(rows: Ordered['rows']): void {
  if (rows.train >= fewestRows && rows.validation > 0 && rows.holdout > 0) return;
  const { train, validation, holdout } = rows;
  const message = `the split leaves ${train} training, ${validation} validation and ${holdout} holdout rows`;
  throw permanent('UntrainableData', message, { rows: train + validation + holdout });
}
