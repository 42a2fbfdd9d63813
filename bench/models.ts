/** Fifty models in one replica: what each costs of memory, and whether one row of any of them waits for the others. */
import { Agent, request } from 'node:http';
import type { Signature } from '../contracts/serving.ts';
import { makePlace } from '../test/support/server.ts';
import { publishModel, publishSlots } from '../test/support/serving-model.ts';
import { until } from '../test/support/until.ts';
import { residentMb } from './processes.ts';
import { just, median } from './row.ts';
import type { Row } from './row.ts';
import { features, treesModel } from './trees.ts';

const count = 50;
/** Of each model, after a first one. */
const rounds = 100;

const names = Array.from({ length: count }, (_, i) => `trees-${i + 1}`);
const columns = Array.from({ length: features }, (_, i) => `x${i}`);
const signature: Signature = {
  task: 'binary-classification',
  inputs: columns.map((name) => ({ name, datatype: 'FP64', shape: [-1], nullable: true })),
  outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1] }],
  classes: ['no', 'yes'],
};
const inputs = Object.fromEntries(columns.map((name, i) => [name, [0.1, 0.5, i / features]]));
const body = JSON.stringify({
  inputs: columns.map((name, i) => ({ name, datatype: 'FP64', shape: [1], data: [i / features] })),
});

export async function models(): Promise<Row[]> {
  const place = await makePlace();
  const bytes = treesModel(100, 6, true);
  const publish = async (model: string) => {
    const champion = await publishModel(place.store, { model, version: 1, bytes, signature, inputs });
    await publishSlots(place.store, { champion }, model);
  };
  await publish(names[0]!);
  const { child, url } = await place.start();
  const ask = caller(url);
  const known = new Set<string>();
  /** Until all of them have answered once: the first answer of each is slower, and reserves memory. */
  const warm = (among: readonly string[]) =>
    until(async () => {
      for (const name of among.filter((one) => !known.has(one)))
        if ((await ask(name)).status === 200) known.add(name);
      return among.every((name) => known.has(name));
    });
  await warm(names.slice(0, 1));
  const alone = await residentMb(child.pid);
  for (const name of names.slice(1)) await publish(name);
  await warm(names);
  const together = await residentMb(child.pid);
  const spent: number[] = [];
  for (let round = 0; round < rounds; round++) for (const name of names) spent.push((await ask(name)).ms);
  const after = await residentMb(child.pid);
  ask.close();
  await child.kill(30_000);
  await place.remove();
  const p99 = spent.toSorted((a, b) => a - b)[Math.floor(spent.length * 0.99)]!;
  return [
    just('a replica with one model of 100 trees', alone, 'MB'),
    just(`a replica with ${count} of them`, together, 'MB'),
    just('the same after its traffic', after, 'MB'),
    just('each further model', (together - alone) / (count - 1), 'MB'),
    just(`one row, round robin over ${count} models, median`, median(spent), 'ms'),
    just(`one row, round robin over ${count} models, 99th percentile`, p99, 'ms'),
  ];
}

/** One caller with one connection, that asks and waits. */
function caller(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const ask = (model: string) =>
    new Promise<{ status: number; ms: number }>((resolve, reject) => {
      const started = performance.now();
      const options = { method: 'POST', agent, headers };
      request(`${url}/v2/models/${model}/infer`, options, (response) => {
        response.resume().on('end', () => {
          resolve({ status: response.statusCode!, ms: performance.now() - started });
        });
      })
        .on('error', reject)
        .end(body);
    });
  return Object.assign(ask, { close: () => agent.destroy() });
}
