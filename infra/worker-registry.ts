/**
 * `workers/<name>.json`: which GPU workers there are and what they have, so that a training that asks for more than
 * any of them has fails by name, and people see the fleet (`esteira workers`).
 */
import { hostname } from 'node:os';
import { z } from 'zod';
import { Instant } from '../contracts/artifact.ts';
import { Device } from '../contracts/trainer.ts';
import { canonicalJson, readJson } from './store/json.ts';
import type { Store } from './store/store.ts';

export const WorkerRecord = z.object({
  name: z.string(),
  queue: z.string(),
  devices: z.array(Device),
  costPerHour: z.number().nullable(),
  startedAt: Instant,
  seenAt: Instant,
});
export type WorkerRecord = z.infer<typeof WorkerRecord>;

const everyMs = 30_000;
/** Three missed words. */
const goneAfterMs = 3 * everyMs;

const keyOf = (name: string): string => `workers/${name}.json`;

/** @returns how to take the name off again */
export async function registerWorker(
  store: Store,
  worker: Pick<WorkerRecord, 'queue' | 'devices' | 'costPerHour'>,
  onError: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const name = `${hostname().replaceAll(/[^A-Za-z0-9-]+/g, '-')}-${process.pid}`;
  const startedAt = new Date().toISOString();
  let etag = (await store.read(keyOf(name)))?.etag;
  const say = async () => {
    const record: WorkerRecord = { name, ...worker, startedAt, seenAt: new Date().toISOString() };
    etag =
      (await store.swap(keyOf(name), canonicalJson(record), etag)) ?? (await store.read(keyOf(name)))?.etag;
  };
  await say();
  const timer = setInterval(() => void say().catch(onError), everyMs);
  return async () => {
    clearInterval(timer);
    await store.delete(keyOf(name));
  };
}

/** Those that have said a word lately. */
export async function livingWorkers(store: Store, now = Date.now()): Promise<WorkerRecord[]> {
  const workers: WorkerRecord[] = [];
  for await (const { key } of store.list('workers/')) {
    const found = await readJson(store, key, WorkerRecord);
    if (found && now - Date.parse(found.value.seenAt) < goneAfterMs) workers.push(found.value);
  }
  return workers;
}
