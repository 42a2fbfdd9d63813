/** What predictions cost once their labels have come, as SQL over a table of pairs: `mine`, `other`, `label`. */
import type { Loss } from '../../contracts/strategy.ts';
import type { Signature } from '../../contracts/serving.ts';
import { quoteLiteral } from '../../infra/sql.ts';

export interface LossSql {
  name: Loss;
  /** Of `mine` and of `other`, in the metric's own units, for people. */
  mine: string;
  other: string;
  /** In [-1, 1]: positive when `mine` is worse. */
  difference: string;
}

/** @param asked Brier for classes and the relative error for numbers, if absent or not of the task */
export function lossOf({ task, classes }: Signature, asked: Loss | undefined): LossSql {
  if (task === 'regression') return relativeError();
  const name = asked === 'error' ? 'error' : 'brier';
  const cost = task === 'binary-classification' ? binary(name) : multiclass(name);
  const y = labelSql(classes);
  const [mine, other] = [cost('mine', y), cost('other', y)];
  return { name, mine, other, difference: `greatest(-1, least(1, (${mine}) - (${other})))` };
}

/**
 * |a| − |b| over |a| + |b|: which of the two was further off, from -1 to 1, in no unit. Rows count alike however large
 * their values are, as a bounded loss must have it.
 */
function relativeError(): LossSql {
  const off = (side: string) => `abs(${side} - ${number})`;
  const [mine, other] = [off('mine'), off('other')];
  const difference = `CASE WHEN ${mine} + ${other} = 0 THEN 0 ELSE (${mine} - ${other}) / (${mine} + ${other}) END`;
  return { name: 'relative-error', mine, other, difference };
}

const number = 'TRY_CAST(label AS DOUBLE)';

function binary(name: Loss): (side: string, y: string) => string {
  return name === 'error'
    ? (side, y) => `CAST(CAST(${side} >= 0.5 AS INTEGER) <> ${y} AS INTEGER)`
    : (side, y) => `power(${side} - ${y}, 2)`;
}

/** Half of the Brier score, which is then at most 1. */
function multiclass(name: Loss): (side: string, y: string) => string {
  return name === 'error'
    ? (side, y) => `CAST(list_position(${side}, list_max(${side})) <> ${y} + 1 AS INTEGER)`
    : (side, y) => `(list_sum(list_transform(${side}, p -> p * p)) - 2 * ${side}[${y} + 1] + 1) / 2`;
}

/** Labels come as text, whatever they were: a class's name, `true`, `1`. Null for what is none of these. */
function labelSql(classes: readonly string[]): string {
  const known = classes.map((name, i) => `WHEN ${quoteLiteral(name)} THEN ${i}`).join(' ');
  return `CAST(CASE label ${known} WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE ${number} END AS INTEGER)`;
}
