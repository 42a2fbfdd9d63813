/** What the training rows say of each class, and what a row of it should weigh. */
import { permanent } from '../../contracts/failures.ts';
import type { Project } from '../../contracts/project.ts';
import type { DuckDb } from '../../infra/duckdb.ts';

export interface ClassCounts {
  class: string;
  rows: number;
}

/** @throws `UntrainableData` when the training rows know fewer than two classes */
export async function countClasses(
  db: Pick<DuckDb, 'rows'>,
  classes: readonly string[],
  trainRows: number,
): Promise<ClassCounts[]> {
  const found = await db.rows<{ class: string; count: number | bigint }>(
    `SELECT __class AS class, count(*) AS count FROM ordered WHERE rowid < ${trainRows} GROUP BY 1`,
  );
  if (classes.length > 0 && found.length < 2) {
    const only = found.map((each) => each.class).join();
    throw permanent('UntrainableData', `all training labels are ${only}`, { rows: trainRows });
  }
  return classes.map((name) => ({
    class: name,
    rows: Number(found.find((each) => each.class === name)?.count ?? 0),
  }));
}

/**
 * A FLOAT per row. `balanced`: rows over (classes × rows of the class), so that each class weighs the same
 * in sum and the mean weight is 1.
 */
export function weightSql({ trainer }: Project, counts: readonly ClassCounts[], label: string): string {
  const balanced = trainer.backend === 'onnx' && trainer.classWeight === 'balanced';
  if (!balanced || counts.length === 0) return 'CAST(1 AS FLOAT)';
  const rows = counts.reduce((sum, each) => sum + each.rows, 0);
  const present = counts.filter((each) => each.rows > 0).length;
  const cases = counts.map((each, i) => `WHEN ${i} THEN ${each.rows ? rows / (present * each.rows) : 1}`);
  return `CAST(CASE ${label} ${cases.join(' ')} END AS FLOAT)`;
}
