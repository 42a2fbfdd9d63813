/** What a packaged model takes and gives: the raw columns its features come from, typed as they are served. */
import type { Column, ColumnType } from '../../contracts/dataset.ts';
import type { Task } from '../../contracts/project.ts';
import type { Signature, TensorSpec } from '../../contracts/serving.ts';
import type { FeaturePlan } from './plan.ts';

const datatypes = {
  number: { datatype: 'FP64', nullable: true },
  integer: { datatype: 'FP64', nullable: true },
  string: { datatype: 'BYTES', nullable: true },
  boolean: { datatype: 'BOOL' },
  timestamp: { datatype: 'INT64', nullable: true, kind: 'timestamp' },
} as const satisfies Record<ColumnType, Pick<TensorSpec, 'datatype' | 'nullable' | 'kind'>>;

/** Inputs keep the order of the dataset's columns. */
export function signatureOf(
  task: Task,
  plans: readonly FeaturePlan[],
  columns: readonly Column[],
  classes: string[],
): Signature {
  const used = columns.filter(({ name }) => plans.some(({ from }) => from === name));
  const inputs = used.map(({ name, type }) => ({ name, shape: [-1], ...datatypes[type] }));
  return { task, inputs, outputs: [outputOf(task, classes)], classes };
}

function outputOf(task: Task, classes: readonly string[]): TensorSpec {
  if (task === 'regression') return { name: 'prediction', datatype: 'FP32', shape: [-1] };
  if (task === 'binary-classification') return { name: 'probability', datatype: 'FP32', shape: [-1] };
  return { name: 'probabilities', datatype: 'FP32', shape: [-1, classes.length] };
}
