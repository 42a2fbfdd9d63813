/** The three sides and the reference, as parts. */
import type { DatasetManifest, Part } from '../../contracts/dataset.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { Project } from '../../contracts/project.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import type { Store } from '../../infra/store/store.ts';
import type { Fitted } from './fitted.ts';
import { labelNumberSql } from './labels.ts';
import { writeParts } from './parts.ts';
import { existing } from './plan.ts';
import { hashSql } from './split.ts';
import { enumOf, featureColumnsSql } from './transform-sql.ts';

/** Monitoring compares with at most this many training rows; more would only cost. */
const referenceRows = 50_000;

export interface SidesWork {
  deps: { store: Pick<Store, 'putFile'> };
  db: Pick<DuckDb, 'run'>;
  folder: string;
  input: { shuffleLabels?: boolean | undefined };
  project: Project;
  dataset: DatasetManifest;
  fitted: Fitted;
  classes: string[];
  rows: PreparedManifest['rows'];
  /** A FLOAT over the number `__label`. */
  weight: string;
  beat(doing: string, rows: number): void;
}

/** The first training rows are the reference: they come shuffled by a seeded hash. */
export async function writeSides(
  work: SidesWork,
): Promise<Pick<PreparedManifest, 'train' | 'validation' | 'holdout' | 'reference'>> {
  const { deps, db, folder, rows, dataset, fitted, weight } = work;
  for (const [i, { values }] of fitted.categorical.entries()) {
    if (values.length === 0) continue;
    const list = values.map((value) => quoteLiteral(value)).join(', ');
    await db.run(`CREATE TYPE ${enumOf(i)} AS ENUM (${list})`);
  }
  const raw = dataset.columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  const features = [
    ...featureColumnsSql(fitted),
    'CAST(__label AS FLOAT) AS label',
    `${weight} AS weight`,
  ].join(', ');
  const labels = await labelRelation(work);

  const writer = (doing: string) => {
    return { db, folder, store: deps.store, wrote: (count: number) => work.beat(doing, count) };
  };
  const fitting = rows.train + rows.validation;
  const train = await writeParts(writer('train'), features, 0, rows.train, labels);
  const validation = await writeParts(writer('validation'), features, rows.train, fitting, labels);
  const holdout = await writeParts(writer('holdout'), raw, fitting, fitting + rows.holdout);
  const reference = await writeParts(writer('reference'), raw, 0, Math.min(rows.train, referenceRows));
  return { train, validation, holdout, reference: only(reference) };
}

/**
 * `ordered` with the label as the number `__label`. For a drill the labels of training and validation rows change
 * places by a seeded hash: their distribution stays, what they say about the features goes.
 */
async function labelRelation({ db, input, project, dataset, classes, rows }: SidesWork): Promise<string> {
  const { type } = existing(project.label, dataset.columns);
  const number = labelNumberSql(project.task, project.label, type, classes);
  if (!input.shuffleLabels) return `(SELECT *, rowid, ${number} AS __label FROM ordered) AS ordered`;
  await db.run(
    `CREATE TABLE shuffled AS SELECT ${number} AS __label FROM ordered WHERE rowid < ${rows.train + rows.validation}
     ORDER BY ${hashSql('CAST(rowid AS VARCHAR)', 1)}, rowid`,
  );
  return 'ordered JOIN shuffled ON ordered.rowid = shuffled.rowid';
}

function only([part]: Part[]): Part {
  if (!part) throw new Error('a side has no part');
  return part;
}
