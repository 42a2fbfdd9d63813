/** What an adopted model answers: which of its outputs, which classes, and the graph that makes ours of it. */
import type { Task } from '../../contracts/project.ts';
import { AdoptFault } from './adopt-fault.ts';
import { graph } from './graph.ts';
import { elementTypeOf, shapeOf } from './proto.ts';
import type { ElementType, Model, ValueInfo } from './proto.ts';

export interface Chosen {
  name: string;
  type: ElementType;
  /** -1 for a free dimension. */
  shape: number[];
}

interface Wanted {
  task: Task;
  output?: string | undefined;
  classes: readonly string[];
}

/** @throws AdoptFault when none fits, or several do */
export function chosenOutput({ graph }: Model, { task, output }: Wanted): Chosen {
  const outputs = graph?.output ?? [];
  const names = outputs.map(({ name }) => name).join(', ');
  if (output !== undefined && outputs.every(({ name }) => name !== output))
    throw new AdoptFault(`it has no output ${output}; it has ${names}`);
  const asked = output === undefined ? outputs : outputs.filter(({ name }) => name === output);
  const fitting = asked.flatMap((info) => chosen(info, task) ?? []);
  const likely = fitting.filter(({ name }) => /prob|score|variable|predict/i.test(name));
  if (fitting.length === 1) return fitting[0]!;
  if (likely.length === 1) return likely[0]!;
  if (fitting.length > 1)
    throw new AdoptFault(`several of its outputs could be the answer (${names}); name one by --output`);
  const map = asked.find(({ type }) => type?.sequenceType || type?.mapType);
  if (map) {
    throw new AdoptFault(
      `its output ${map.name} is a map for each row (ZipMap), not a tensor; export it once more without: skl2onnx by options={'zipmap': False}, onnxmltools by zipmap=False`,
    );
  }
  throw new AdoptFault(`none of its outputs (${names}) is ${wanted[task]}`);
}

const wanted: Record<Task, string> = {
  'binary-classification':
    'a probability for each row, FLOAT [rows] or [rows, 2]; a label alone is not enough',
  'multiclass-classification':
    'probabilities for each row, FLOAT [rows, classes]; a label alone is not enough',
  regression: 'a number for each row, FLOAT [rows] or [rows, 1]',
};

function chosen(info: ValueInfo, task: Task): Chosen | undefined {
  const type = elementTypeOf(info);
  if (type !== 'float' && type !== 'double') return undefined;
  const shape = shapeOf(info);
  const [, width = 1] = shape;
  const fits =
    task === 'multiclass-classification'
      ? shape.length === 2 && (width === -1 || width > 2)
      : shape.length < 3 && (width < 2 || (task === 'binary-classification' && width === 2));
  return fits ? { name: info.name!, type, shape } : undefined;
}

/**
 * The classes in the model's own order, where it says them; else in that of the rows.
 *
 * @throws AdoptFault when the rows have a class that the model does not know
 */
export function modelClasses({ graph }: Model, { task, classes }: Wanted): string[] {
  if (task === 'regression') return [];
  const said = (graph?.node ?? []).flatMap((node) =>
    (node.attribute ?? []).flatMap(({ name, ints, strings }) => {
      if (name === 'classlabels_int64s' || name === 'classlabels_ints') return [(ints ?? []).map(String)];
      if (name === 'classlabels_strings')
        return [(strings ?? []).map((text) => Buffer.from(text).toString())];
      return [];
    }),
  );
  const own = said.find((labels) => labels.length >= 2);
  if (!own || own.length < classes.length) return [...classes];
  // A label of true and false is 0 and 1 to most tools.
  if (classes.join() === 'false,true' && /^(0,1|false,true)$/i.test(own.join())) return [...classes];
  const stranger = classes.find((name) => !own.includes(name));
  if (stranger === undefined) return own;
  throw new AdoptFault(
    `the rows have the class ${stranger}, and the model knows ${own.slice(0, 20).join(', ')}`,
  );
}

/** From `answer`, as the model gives it, to our output. */
export function answerGraph({ type, shape }: Chosen, task: Task, classes: readonly string[]): Uint8Array {
  const g = graph('answer');
  const [, width = 1] = shape;
  const rank = Math.max(1, shape.length);
  const answer = g.input('answer', type, rank === 1 ? ['n'] : ['n', width === -1 ? 'k' : width]);
  const float = g.node('Cast', [answer], { to: 1 });
  if (task === 'multiclass-classification') {
    g.output('probabilities', float, 'float', ['n', classes.length]);
    return g.bytes();
  }
  const second = task === 'binary-classification' && rank === 2 && width !== 1;
  const flat = second
    ? g.node('Gather', [float, g.constant('int64', [1], [])], { axis: 1 })
    : g.node('Reshape', [float, g.constant('int64', [-1])]);
  g.output(task === 'regression' ? 'prediction' : 'probability', flat, 'float', ['n']);
  return g.bytes();
}
