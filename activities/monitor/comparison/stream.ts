/** One column of a file as a stream, in the order of its rows, through a detector. */
import type { StreamReport } from '../../../contracts/drift.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { adwin } from '../statistics/adwin.ts';
import { ddm } from '../statistics/ddm.ts';
import type { Detector } from '../statistics/detector.ts';
import { pageHinkley } from '../statistics/page-hinkley.ts';
import { numberSql, TableFault, unreadable } from './table.ts';
import type { Table } from './table.ts';

const made: Record<StreamReport['detector'], () => Detector> = { adwin, ddm, 'page-hinkley': pageHinkley };

/** @throws TableFault, also for a column that is no number, or for ddm neither 0 nor 1 */
export async function detectIn(
  db: DuckDb,
  { path, columns, from }: Table,
  column: string,
  detector: StreamReport['detector'],
): Promise<StreamReport> {
  const found = columns.find(({ name }) => name === column);
  const names = columns.map(({ name }) => name);
  if (!found) {
    throw new TableFault(
      `${path} has no column ${column} of numbers; it has ${names.slice(0, 20).join(', ')}`,
    );
  }
  if (found.kind === 'category')
    throw unreadable(path, `column ${column} holds text; a stream is of numbers`);
  const look = made[detector]();
  const report: StreamReport = { path, column, detector, rows: 0, nulls: 0, detections: [], warnings: [] };
  let [row, warned] = [0, false];
  for await (const chunk of db.stream(`SELECT ${numberSql(column)} AS f FROM ${from}`)) {
    for (const value of chunk.columns['f'] as Float64Array) {
      const at = row++;
      if (Number.isNaN(value)) {
        report.nulls += 1;
        continue;
      }
      refuse(path, column, detector, value, at);
      const verdict = look.update(value);
      report.rows += 1;
      if (verdict === 'drift') report.detections.push(at);
      if (verdict === 'warning' && !warned) report.warnings.push(at);
      warned = verdict === 'warning';
    }
  }
  return report;
}

function refuse(path: string, column: string, detector: string, value: number, row: number): void {
  const where = `column ${column} is ${value} in row ${row + 1}`;
  if (!Number.isFinite(value)) throw unreadable(path, `${where}; a stream is of finite numbers`);
  if (detector === 'ddm' && value !== 0 && value !== 1)
    throw unreadable(path, `${where}; ddm looks at errors, 0 for right and 1 for wrong`);
}
