/** A window's rows beside the version's reference: every input, and the predictions. New rows are scanned, nothing else. */
import type { Window } from '../../contracts/artifact.ts';
import type { Compared, Summary } from '../../contracts/drift.ts';
import type { ColumnDrift, WindowDetails } from '../../contracts/monitor.ts';
import type { Project } from '../../contracts/project.ts';
import type { Signature } from '../../contracts/serving.ts';
import type { Watch } from '../../contracts/watch.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteIdentifier, quoteLiteral } from '../../infra/duckdb.ts';
import { coarseBins } from './comparison/coarse-bins.ts';
import { alone, compareSummaries } from './comparison/fast.ts';
import { summarise } from './comparison/summarise.ts';
import { tableOf } from './comparison/table-of.ts';
import type { TableColumn } from './comparison/table.ts';
import { decide } from './decide.ts';
import type { Rule } from './decide.ts';
import type { PredictionLog } from './log.ts';

export interface Watched {
  watch: Watch;
  signature: Signature;
  version: number;
  project: Project;
}

/** @returns columns by weight, those that drifted first */
export async function compareWindow(
  db: DuckDb,
  log: PredictionLog,
  window: Window,
  { watch, signature, version, project }: Watched,
): Promise<{ drift: ColumnDrift[]; details: WindowDetails }> {
  const { inputs, prediction } = watch;
  const rule = ruleOf(project, watch);
  const current = await inputsOf(db, log, window, inputs);
  const sides = { reference: inputs, current };
  const compared = inputs.columns.map(({ name }) => compareSummaries(sides, name));
  const { minRows } = project.monitor;
  const judge = current.rows < minRows ? unjudged(current.rows, minRows) : (one: Decision) => one;
  const decisions = decide(compared, rowsOf(sides), rule).map(judge);

  const said = alone(prediction, 'holdout');
  const predicted = {
    reference: said,
    current: await predictionsOf(db, log, window, { signature, version, like: said }),
  };
  const output = compareSummaries(predicted, prediction.name);
  const ofOutput = judge(decide([output], rowsOf(predicted), rule)[0]!);

  const { importance = {} } = watch;
  const drift = [
    ...compared.map((column, i) => driftOf(column, decisions[i]!, current, importance[column.name])),
    driftOf(output, ofOutput, predicted.current, undefined),
  ].sort(byWeight);
  const columns = [...compared, output].map((column) => {
    const from = column === output ? predicted : sides;
    const find = (summary: Summary) => summary.columns.find(({ name }) => name === column.name)!;
    return { ...finite(column), bins: coarseBins(find(from.reference), find(from.current)) };
  });
  return { drift, details: { columns } };
}

type Decision = ReturnType<typeof decide>[number];

/** Statistics are told all the same: of a handful of rows the best of columns is far from any reference. */
const unjudged =
  (rows: number, atLeast: number) =>
  (decision: Decision): Decision => ({
    ...decision,
    ...{ drifted: false, rule: null, why: `too few rows to judge: ${rows}, at least ${atLeast}` },
  });

/** A statistic that has no bound (of a category that the reference lacks) is null in JSON. */
const finite = (column: Compared): Compared => JSON.parse(JSON.stringify(column)) as Compared;

/** What the project sets, over the default rule. */
export function ruleOf({ monitor }: Project, { natural }: Watch): Rule {
  const { alpha, psi, columns, thresholds } = monitor;
  const own = Object.entries(columns).map(([column, bar]) => ({
    column,
    statistic: 'psi' as const,
    limit: bar.psi,
  }));
  return {
    alpha,
    thresholds: [
      ...(psi === undefined ? [] : [{ statistic: 'psi' as const, limit: psi }]),
      ...thresholds,
      ...own,
    ],
    usual: natural.floors,
  };
}

const rowsOf = ({ reference, current }: { reference: Summary; current: Summary }) => ({
  reference: reference.rows,
  current: current.rows,
});

const asColumns = ({ columns }: Summary): TableColumn[] =>
  columns.map(({ name, kind }) => ({ name, kind: kind === 'category' ? 'category' : 'number' }));

async function inputsOf(db: DuckDb, log: PredictionLog, window: Window, like: Summary): Promise<Summary> {
  const columns = asColumns(like);
  const list = columns.map(({ name }) => `${quoteIdentifier(`in_${name}`)} AS ${quoteIdentifier(name)}`);
  const from = `(SELECT ${list.join(', ') || '1'} FROM predictions WHERE ${log.within(window)})`;
  return summarised(db, from, columns, like);
}

async function predictionsOf(
  db: DuckDb,
  log: PredictionLog,
  window: Window,
  { signature, version, like }: { signature: Signature; version: number; like: Summary },
): Promise<Summary> {
  const columns = asColumns(like);
  const { name } = signature.outputs[0]!;
  const output = quoteIdentifier(`out_${name}`);
  const classes = `[${signature.classes.map(quoteLiteral).join(', ')}]`;
  const value =
    signature.task === 'multiclass-classification'
      ? `list_extract(${classes}, list_position(${output}, list_max(${output})))`
      : output;
  const from = `(SELECT ${value} AS ${quoteIdentifier(name)} FROM predictions
    WHERE ${log.within(window)} AND version = ${version})`;
  return summarised(db, from, columns, like);
}

async function summarised(db: DuckDb, from: string, columns: TableColumn[], like: Summary): Promise<Summary> {
  const table = await tableOf(db, 'scanned', from, columns);
  const summary = await summarise(db, table, columns, like);
  await db.run('DROP TABLE scanned');
  return summary;
}

function driftOf(
  column: Compared,
  { drifted, rule, why, pValue }: Decision,
  { rows }: Summary,
  importance: number | undefined,
): ColumnDrift {
  const { name, psi, nullShare, newCategoryShare = 0, used, jensenShannon } = column;
  return {
    ...{ name, psi, drifted, rule, why, pValue },
    nulls: Math.round(nullShare.current * rows) || 0,
    unseen: Math.round(newCategoryShare * used.current),
    ...(importance !== undefined && { importance }),
    weight: (importance ?? 1) * (jensenShannon ?? 1),
  };
}

function byWeight(one: ColumnDrift, other: ColumnDrift): number {
  return Number(other.drifted) - Number(one.drifted) || other.weight! - one.weight!;
}
