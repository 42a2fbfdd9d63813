/**
 * The transform as an ONNX graph: raw named columns → `numeric` FLOAT[n, N], `categorical` INT64[n, C].
 * `transform-sql.ts` is its twin, operation by operation.
 */
import type { Signature } from '../../contracts/serving.ts';
import { kinds } from '../../infra/onnx/datatypes.ts';
import { graph, tensor } from '../../infra/onnx/graph.ts';
import type { Graph } from '../../infra/onnx/graph.ts';
import { largestFloat, leastLogged } from './fitted.ts';
import type { Fitted, FittedCategory, FittedNumeric } from './fitted.ts';
import { onnxDatePart } from './date-parts-onnx.ts';
import { periods } from './plan.ts';
import type { Origin } from './plan.ts';

export function compileTransform(fitted: Fitted, inputs: Signature['inputs']): Uint8Array {
  const g = graph('transform');
  for (const { name, datatype } of inputs) g.input(name, kinds[datatype].onnx, ['n']);
  const numeric = fitted.numeric.flatMap((each) => numericNodes(g, each));
  if (numeric.length > 0) {
    const matrix = stacked(g, numeric);
    g.output('numeric', matrix, 'float', ['n', numeric.length]);
  }
  const categorical = fitted.categorical.map((each) => indexNode(g, each));
  if (categorical.length > 0) {
    g.output('categorical', stacked(g, categorical), 'int64', ['n', categorical.length]);
  }
  return g.bytes();
}

/** Columns [n] side by side: [n, columns]. */
function stacked(g: Graph, columns: readonly string[]): string {
  const one = g.constant('int64', [1]);
  return g.node(
    'Concat',
    columns.map((column) => g.node('Unsqueeze', [column, one])),
    { axis: 1 },
  );
}

/** The value as DOUBLE, and where it is missing; a boolean never is. */
function numberNodes(g: Graph, { from, type, part }: Origin): { value: string; missing?: string } {
  if (part) {
    const missing = g.node('Equal', [from, g.constant('int64', ['-9223372036854775808'], [])]);
    return { value: g.node('Cast', [onnxDatePart[part](g, from)], { to: 11 }), missing };
  }
  if (type === 'boolean') return { value: g.node('Cast', [from], { to: 11 }) };
  // Infinity less itself is NaN: one test finds NaN and both infinities.
  return { value: from, missing: g.node('IsNaN', [g.node('Sub', [from, from])]) };
}

function numericNodes(g: Graph, { plan, fill, center, spread }: FittedNumeric): string[] {
  const double = (value: number) => g.constant('double', [value], []);
  const { value: raw, missing } = numberNodes(g, plan);
  let value = missing ? g.node('Where', [missing, double(fill), raw]) : raw;
  if (plan.clip) value = clamped(g, value, plan.clip);
  if (plan.log) {
    const floored = g.node('Max', [value, double(leastLogged)]);
    value = g.node('Log', [g.node('Add', [double(1), floored])]);
  }
  if (plan.cyclic) return angleNodes(g, value, periods[plan.part!]);
  if (plan.scale !== 'none') value = g.node('Div', [g.node('Sub', [value, double(center)]), double(spread)]);
  return [g.node('Cast', [clamped(g, value, [-largestFloat, largestFloat])], { to: 1 })];
}

function angleNodes(g: Graph, value: string, { first, count }: { first: number; count: number }): string[] {
  const shifted = g.node('Sub', [value, g.constant('double', [first], [])]);
  const angle = g.node('Mul', [shifted, g.constant('double', [(2 * Math.PI) / count], [])]);
  return ['Sin', 'Cos'].map((op) => g.node('Cast', [g.node(op, [angle])], { to: 1 }));
}

function clamped(g: Graph, value: string, [low, high]: readonly [number, number]): string {
  const floored = g.node('Max', [value, g.constant('double', [low], [])]);
  return g.node('Min', [floored, g.constant('double', [high], [])]);
}

function indexNode(g: Graph, { plan, values, missing }: FittedCategory): string {
  return plan.type === 'string'
    ? stringIndex(g, plan.from, values, missing)
    : numberIndex(g, plan, values, missing);
}

function stringIndex(g: Graph, from: string, values: readonly string[], missing: number): string {
  const keys_strings = ['', ...values];
  const values_int64s = keys_strings.map((_, i) => (i === 0 ? missing : i));
  const attributes = { keys_strings, values_int64s, default_int64: 0 };
  return g.node('LabelEncoder', [from], attributes, 'ai.onnx.ml');
}

function numberIndex(g: Graph, plan: Origin, values: readonly string[], missing: number): string {
  const { value, missing: isMissing } = numberNodes(g, plan);
  const index = numberLookup(g, value, values);
  if (!isMissing) return index;
  return g.node('Where', [isMissing, g.constant('int64', [missing], []), index]);
}

/** A `LabelEncoder` refuses an empty table: without categories, 0 is looked up and found unknown. */
function numberLookup(g: Graph, value: string, values: readonly string[]): string {
  const keys = values.length > 0 ? values : ['0'];
  const indices = values.length > 0 ? values.map((_, i) => i + 1) : [0];
  const attributes = {
    keys_tensor: { tensor: tensor('double', keys) },
    values_tensor: { tensor: tensor('double', indices) },
    default_tensor: { tensor: tensor('double', [0], [1]) },
  };
  return g.node('Cast', [g.node('LabelEncoder', [value], attributes, 'ai.onnx.ml')], { to: 7 });
}
