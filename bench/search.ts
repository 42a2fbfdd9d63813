/** A search's own cost: 100 trials, two at once, against half the sum of what the trials took. */
import { TrialRecord } from '../contracts/experiment.ts';
import { readJson } from '../infra/store/json.ts';
import { openBelt } from '../test/support/belt.ts';
import { atMost } from './row.ts';
import type { Row } from './row.ts';

const trials = 100;
const parallel = 2;

export async function search(): Promise<Row[]> {
  const belt = await openBelt();
  try {
    const folder = await belt.project('searched', {
      trainer: { backend: 'onnx', epochs: 20, batchSize: 32, seed: 1 },
      search: {
        ...{ method: 'tpe', trials, parallel, seed: 1 },
        space: { learningRate: { min: 0.001, max: 0.1, scale: 'log' }, hidden: { values: [[8], [16]] } },
      },
    });
    const lifecycleId = await belt.start(folder);
    await belt.esteira.outcome(lifecycleId);
    const { progress } = await belt.esteira.look(lifecycleId);
    const took = progress.done.find(({ stage }) => stage === 'train')!.seconds;
    let sum = 0;
    for (let trial = 1; trial <= trials; trial++) {
      const key = `runs/${lifecycleId}/search/${trial}/record.json`;
      sum += (await readJson(belt.esteira.store, key, TrialRecord))!.value.seconds;
    }
    const name = `search of ${trials} trials, ${parallel} at once, over half of their sum (${Math.round(sum / 2)} s)`;
    return [atMost(name, took / (sum / parallel), '', 1.15)];
  } finally {
    await belt.close();
  }
}
