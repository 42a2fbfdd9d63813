/** `--where 'param.lr<0.01 and metric.roc_auc>=0.7 and backend=python'`, and the order of the list. */
import { namesIn, valueOf } from './names.ts';
import type { Run, Scalar } from './run.ts';

const operators = ['<=', '>=', '!=', '==', '=', '<', '>'] as const;
type Operator = (typeof operators)[number];

export interface Condition {
  name: string;
  operator: Operator;
  value: string;
}

const name = String.raw`[A-Za-z_][A-Za-z0-9_.\-]*`;
const text = String.raw`"[^"]*"|'[^']*'|[^\s"']+`;
const condition = new RegExp(
  String.raw`^\s*(${name})\s*(${operators.join('|')})\s*(${text})\s*(?:and\s+|$)`,
  'i',
);

/** @throws Error that quotes the place which is not understood */
export function parseWhere(given: string): Condition[] {
  const conditions: Condition[] = [];
  for (let rest = given; rest.trim() !== '' || conditions.length === 0;) {
    const match = condition.exec(rest);
    if (!match) {
      throw new Error(
        `"${rest.trim()}" is not understood; write conditions joined by and, such as param.lr<0.01 and metric.roc_auc>=0.7`,
      );
    }
    const [whole, of, operator, value] = match as unknown as [string, string, Operator, string];
    conditions.push({ name: of, operator, value: value.replaceAll(/^["']|["']$/g, '') });
    rest = rest.slice(whole.length);
    if (rest.trim() === '' && /\sand\s+$/i.test(whole))
      throw new Error('a condition must follow the last and');
  }
  return conditions;
}

/** Runs that meet every condition; one that lacks the value meets none about it, `!=` included. */
export function matching(
  runs: readonly Run[],
  conditions: readonly Condition[],
  names = namesIn(runs),
): Run[] {
  const tests = conditions.map(({ name, operator, value }) => {
    const of = valueOf(name, names);
    return (run: Run) => {
      const actual = of(run);
      return actual !== undefined && holds(actual, operator, value);
    };
  });
  return runs.filter((run) => tests.every((test) => test(run)));
}

/** Numbers as numbers, everything else as text; moments are ISO 8601, which as text are in their order. */
function holds(actual: Scalar, operator: Operator, wanted: string): boolean {
  const number = typeof actual === 'number' ? Number(wanted) : Number.NaN;
  const order = Number.isNaN(number) ? compareText(String(actual), wanted) : (actual as number) - number;
  switch (operator) {
    case '=':
    case '==':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Greatest first, unless `ascending`; runs without the value come last either way, and ties by the newest. */
export function sorted(runs: readonly Run[], by: string, ascending: boolean, names = namesIn(runs)): Run[] {
  const of = valueOf(by, names);
  const sign = ascending ? 1 : -1;
  return runs
    .map((run) => ({ run, value: of(run) }))
    .sort((a, b) => {
      if (a.value === undefined || b.value === undefined) {
        if (a.value !== b.value) return a.value === undefined ? 1 : -1;
      } else if (a.value !== b.value) {
        return sign * compareScalars(a.value, b.value);
      }
      return -compareText(a.run.started, b.run.started);
    })
    .map(({ run }) => run);
}

function compareScalars(a: Scalar, b: Scalar): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : compareText(String(a), String(b));
}
