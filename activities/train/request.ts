/** What a trainer is told: the request of contracts/trainer.ts, in a file. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { durationMs } from '../../contracts/artifact.ts';
import type { Part } from '../../contracts/dataset.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { Device, TrainerRequest } from '../../contracts/trainer.ts';
import type { Trainer } from '../../contracts/training.ts';
import type { Store } from '../../infra/store/store.ts';
import type { Checkpoints } from './checkpoints.ts';

/** @returns the request's path */
export async function writeRequest(
  folder: string,
  store: Pick<Store, 'localPath'>,
  trainer: Trainer,
  manifest: PreparedManifest,
  given: {
    devices: readonly Device[];
    last: Checkpoints['last'];
    batchScale: number;
    budgetMs: number | undefined;
  },
): Promise<string> {
  const { task, layout, columns, rows } = manifest;
  const { devices, last, batchScale, budgetMs } = given;
  const work = join(folder, 'work');
  await mkdir(work, { recursive: true });
  const request: TrainerRequest = {
    protocol: 1,
    ...{ task, layout, columns, work },
    train: await pathsOf(store, manifest.train),
    validation: await pathsOf(store, manifest.validation),
    rows: { train: rows.train, validation: rows.validation },
    parameters: trainer.backend === 'onnx' ? trainer : trainer.parameters,
    seed: trainer.seed,
    device: devices.length > 0 ? 'cuda' : 'cpu',
    devices: [...devices],
    ...(last ? { checkpoint: await store.localPath(last.checkpoint) } : {}),
    ...(budgetMs === undefined ? {} : { secondsLeft: budgetMs / 1_000 }),
    batchScale,
  };
  const path = join(folder, 'request.json');
  await writeFile(path, JSON.stringify(request));
  return path;
}

async function pathsOf(store: Pick<Store, 'localPath'>, parts: readonly Part[]): Promise<string[]> {
  const paths: string[] = [];
  for (const { artifact } of parts) paths.push(await store.localPath(artifact));
  return paths;
}

/** Timers hold 24 days at most. */
const timerAtMostMs = 2 ** 31 - 1;

/** The nearer end of time and cost, less what was spent. @returns undefined without a budget */
export function budgetLeftMs(
  { budget }: Trainer,
  costPerHour: number | undefined,
  spentSeconds: number,
): number | undefined {
  const bounds = [
    budget.time === undefined ? undefined : durationMs(budget.time),
    budget.cost === undefined || !costPerHour ? undefined : (budget.cost / costPerHour) * 3_600_000,
  ].filter((bound) => bound !== undefined);
  if (bounds.length === 0) return undefined;
  return Math.min(timerAtMostMs, Math.max(0, Math.min(...bounds) - spentSeconds * 1_000));
}
