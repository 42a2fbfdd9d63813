/** A version's data and training once more, from its records, in a scratch area: nothing of it is registered. */
import type { Input, Output } from '../contracts/lifecycle.ts';
import { onCpu, trainOn } from './stages.ts';

export interface ReproductionPlan {
  /** Without what the stages before it give. */
  prepare: Input<'prepare'>;
  train: Omit<Input<'train'>, 'prepared'>;
  device: 'cpu' | 'gpu';
}

export interface Reproduced {
  prepared: Output<'prepare'>;
  candidate: Output<'train'>;
}

export async function reproduction({ prepare, train, device }: ReproductionPlan): Promise<Reproduced> {
  const prepared = await onCpu.prepare(prepare);
  const candidate = await trainOn[device].train({ ...train, prepared });
  return { prepared, candidate };
}
