/**
 * Parts of a UTC timestamp in integer arithmetic on INT64 milliseconds: ONNX knows no calendar.
 *
 * ONNX's integer `Mod` takes the sign of the divisor and `Div` truncates, so floor division of what may be
 * before 1970 goes by way of the remainder.
 */
import type { Graph } from '../../infra/onnx/graph.ts';
import type { DatePart } from './plan.ts';

const dayMs = 86_400_000;
type Unary = (g: Graph, value: string) => string;

const by =
  (op: 'Add' | 'Mul' | 'Div' | 'Mod') =>
  (g: Graph, value: string, constant: number): string =>
    g.node(op, [value, g.constant('int64', [constant], [])]);
const [plus, times, over, modulo] = [by('Add'), by('Mul'), by('Div'), by('Mod')];

const floorDivided = (g: Graph, value: string, divisor: number): string =>
  over(g, g.node('Sub', [value, modulo(g, value, divisor)]), divisor);

export const onnxDatePart: Record<DatePart, Unary> = {
  hour: (g, ms) => over(g, modulo(g, ms, dayMs), 3_600_000),
  minute: (g, ms) => over(g, modulo(g, ms, dayMs), 60_000),
  // 1 January 1970 was a Thursday, number 3 from Monday.
  weekday: (g, ms) => modulo(g, plus(g, floorDivided(g, ms, dayMs), 3), 7),
  day: (g, ms) => {
    const { dayOfYear, month } = civil(g, ms);
    const before = over(g, plus(g, times(g, month, 153), 2), 5);
    return plus(g, g.node('Sub', [dayOfYear, before]), 1);
  },
  month: (g, ms) => plus(g, modulo(g, plus(g, civil(g, ms).month, 2), 12), 1),
};

/**
 * Years counted from 1 March, so that the leap day comes last: `month` 0 is March, `dayOfYear` from 0.
 *
 * @see Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_to_civil
 */
function civil(g: Graph, ms: string): { dayOfYear: string; month: string } {
  const days = plus(g, floorDivided(g, ms, dayMs), 719_468);
  const dayOfEra = modulo(g, days, 146_097);
  const leaps = [over(g, dayOfEra, 36_524), over(g, dayOfEra, 1_460), over(g, dayOfEra, 146_096)] as const;
  const corrected = g.node('Sub', [g.node('Sub', [g.node('Add', [dayOfEra, leaps[0]]), leaps[1]]), leaps[2]]);
  const year = over(g, corrected, 365);
  const quads = g.node('Sub', [over(g, year, 4), over(g, year, 100)]);
  const dayOfYear = g.node('Sub', [dayOfEra, g.node('Add', [times(g, year, 365), quads])]);
  return { dayOfYear, month: over(g, plus(g, times(g, dayOfYear, 5), 2), 153) };
}
