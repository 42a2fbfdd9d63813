/** Until nothing moves: every run is over, or waits for somebody, and every row is in the store. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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

async function stirring({ esteira, home }: Town): Promise<string[]> {
  const moving: string[] = [];
  for await (const { workflowId, type } of esteira.client.workflow.list({
    query: `ExecutionStatus = 'Running'`,
  })) {
    if (type !== 'model') moving.push(workflowId);
    else if (!(await idle(esteira, workflowId))) moving.push(workflowId);
  }
  const journals = (await readdir(join(home, 'serving'), { recursive: true }).catch(() => [])).filter(
    (name) => /\.(jsonl|parquet)$/.test(name),
  );
  return [...moving, ...journals];
}

async function idle(esteira: Town['esteira'], workflowId: string): Promise<boolean> {
  const about = await esteira.describe(workflowId.slice('model/'.length));
  return about !== undefined && about.inFlight === null && about.pending === null && about.rollout === null;
}
