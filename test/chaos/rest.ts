/** Until nothing moves: every run is over, or waits for somebody, every row is in the store, and replicas have converged. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../../infra/store/store.ts';
import { convergenceOf } from '../../client/convergence.ts';
import { modelNames } from './town.ts';
import type { Town } from './town.ts';

/** A little more than the longest backoff of a quick activity, an approval's deadline, and a training together. */
const patienceMs = 180_000;

/** @returns a sentence: it rests, or what still moved when patience ended */
export async function atRest(town: Town): Promise<string> {
  const since = Date.now();
  for (;;) {
    const moving = await stirring(town).catch((error: unknown) => [
      `no answer: ${String(error).slice(0, 80)}`,
    ]);
    const seconds = Math.round((Date.now() - since) / 1_000);
    if (moving.length === 0) return `at rest after ${seconds} s`;
    if (Date.now() - since > patienceMs) return `still moving after ${seconds} s: ${moving.join(', ')}`;
    await sleep(500);
  }
}

async function stirring({ esteira, home, stack }: Town): Promise<string[]> {
  const moving: string[] = [];
  for await (const { workflowId, type } of esteira.client.workflow.list({
    query: `ExecutionStatus = 'Running'`,
  })) {
    if (type === 'alerts') continue; // it waits for messages
    if (type !== 'model') moving.push(workflowId);
    else if (!(await idle(esteira, workflowId))) moving.push(workflowId);
  }
  const journals = (await readdir(join(home, 'serving'), { recursive: true }).catch(() => [])).filter(
    (name) => /\.(jsonl|rows|parquet)$/.test(name),
  );
  return [...moving, ...journals, ...(await unsettled(esteira.store)), ...(await untold(stack.gatewayUrl!))];
}

/** Events that no model was told of yet. */
async function untold(gatewayUrl: string): Promise<string[]> {
  const text = await (await fetch(`${gatewayUrl}/metrics`)).text();
  const waits = /^esteira_gateway_(waiting|queued)_events [1-9]\d*$/gm;
  return text.match(waits) ?? [];
}

/** Replicas that do not act on what their models' slots say, and do not say why. */
async function unsettled(store: Store): Promise<string[]> {
  const about = await Promise.all(modelNames.map((model) => convergenceOf(store, model)));
  return about.flatMap(({ replicas }, i) =>
    replicas
      .filter(({ state }) => state === 'behind')
      .map(({ replica, epoch }) => `${replica} at epoch ${epoch} of ${modelNames[i]!}`),
  );
}

async function idle(esteira: Town['esteira'], workflowId: string): Promise<boolean> {
  const about = await esteira.describe(workflowId.slice('model/'.length));
  return about !== undefined && about.inFlight === null && about.pending === null && about.rollout === null;
}
