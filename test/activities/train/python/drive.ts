/** Drives a Python trainer as the train stage does: prepared parts, a request, its words, and the model it made. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failedWith } from '../../../../contracts/failures.ts';
import { PreparedManifest } from '../../../../contracts/prepared.ts';
import { TrainerEvent } from '../../../../contracts/trainer.ts';
import type { TrainerRequest } from '../../../../contracts/trainer.ts';
import type { ReadyTrainer } from '../../../../contracts/training.ts';
import { checkAgreement } from '../../../../activities/train/agreement.ts';
import { pythonEnvironment } from '../../../../infra/python-environment.ts';
import { forkModule } from '../../../../infra/child.ts';
import type { Child, Exit } from '../../../../infra/child.ts';
import { readConfig } from '../../../../infra/config.ts';
import { score } from '../../../../infra/onnx/score.ts';
import { readSignature } from '../../../../infra/onnx/signature.ts';
import { readJsonBlob } from '../../../../infra/store/json.ts';
import { prepared, projectOf } from '../../prepare/belt.ts';
import type { Belt } from '../../prepare/belt.ts';

export const kit = fileURLToPath(new URL('../../../../activities/train/python/', import.meta.url));

/** Whether two towns are alike decides, but for a row in twelve, which nothing explains. */
const towns = `SELECT i AS id, TIMESTAMP '2001-01-01' + to_minutes(i) AS at, CAST(h % 100 AS DOUBLE) AS noise,
  'town ' || (h % 3) AS origin, 'town ' || (h // 3 % 3) AS destination, (origin = destination) <> (h // 1000 % 12 = 0) AS late,
  CAST(3000 + 400 * (h % 3) + 4 * (h % 100) AS DOUBLE) AS rent, 'class ' || (h % 3) AS kind
  FROM (SELECT CAST(i AS BIGINT) AS i, hash(i) AS h FROM range(1500) AS r(i))`;
const features = { noise: {}, origin: { encode: 'embedding' }, destination: {} };
export const raw = {
  noise: [10, 10, 50],
  rent: [3040, 3440, 4000],
  origin: ['town 0', 'town 1', 'town 2'],
  destination: ['town 0', 'town 2', 'town 1'],
};

export interface Data {
  belt: Belt;
  manifest: PreparedManifest;
  /** Without `work`. */
  request: Omit<TrainerRequest, 'work'>;
}

export async function dataOf(belt: Belt, change: Record<string, unknown> = {}): Promise<Data> {
  const output = await prepared(belt, projectOf({ features, ...change }), towns);
  const manifest = await readJsonBlob(belt.store, output.prepared.manifest, PreparedManifest);
  const paths = (parts: PreparedManifest['train']) =>
    Promise.all(parts.map(({ artifact }) => belt.store.localPath(artifact)));
  const { task, layout, columns, rows } = manifest;
  const request: Data['request'] = {
    ...{ protocol: 1, task, layout, columns, rows, parameters: {}, seed: 7 },
    train: await paths(manifest.train),
    validation: await paths(manifest.validation),
    ...{ device: 'cpu', devices: [], batchScale: 1 },
  };
  return { belt, manifest, request };
}

/** @returns the interpreter, or why there is none here */
export async function interpreterOf(use: ReadyTrainer): Promise<{ python: string } | { absent: string }> {
  const lock = await readFile(join(kit, 'ready', `${use}.lock`), 'utf8');
  const order = { lock, lockName: `${use}.lock`, python: 'python3', systemPackages: false };
  return interpreterFor(order);
}

export async function interpreterFor(
  order: Parameters<typeof pythonEnvironment>[1],
): Promise<{ python: string } | { absent: string }> {
  const { cacheHome } = readConfig();
  try {
    return await pythonEnvironment(cacheHome, order, () => {}, new AbortController().signal);
  } catch (error) {
    // No Python, or no registry: a machine without them cannot run these tests, and they say so.
    const message = error instanceof Error ? error.message : '';
    if (failedWith(error, 'EnvironmentFailed') || /cannot be built/.test(message)) return { absent: message };
    throw error;
  }
}

export interface Run {
  /** Its folder: `work` lies in it. */
  folder: string;
  events: TrainerEvent[];
  log: string;
  exit: Exit;
}

export interface Order {
  python: string;
  script: string;
  request?: Partial<TrainerRequest>;
  env?: Record<string, string>;
  onEvent?(event: TrainerEvent, child: Child): void;
}

export async function drive(data: Data, { python, script, request, env, onEvent }: Order): Promise<Run> {
  const folder = await mkdtemp(join(data.belt.folder, 'run-'));
  const work = join(folder, 'work');
  await mkdir(work);
  const path = join(folder, 'request.json');
  await writeFile(path, JSON.stringify({ ...data.request, work, ...request }));
  const lines: string[] = [];
  const url = new URL('../../../../activities/train/command-trainer.ts', import.meta.url);
  const child = forkModule(url, {
    args: [JSON.stringify([python, script]), path],
    env: { PYTHONPATH: kit, PYTHONDONTWRITEBYTECODE: '1', OMP_NUM_THREADS: '1', ...env },
    cwd: folder,
    onText: (line) => void lines.push(line),
  });
  const events: TrainerEvent[] = [];
  for await (const line of child.events) {
    const event = TrainerEvent.parse(line);
    events.push(event);
    onEvent?.(event, child);
  }
  return { folder, events, log: lines.join('\n'), exit: await child.exited };
}

export const ready = (use: ReadyTrainer): string => join(kit, 'ready', `${use}-trainer.py`);

export function said<K extends TrainerEvent['event']>(run: Run, word: K) {
  return run.events.filter((event): event is Extract<TrainerEvent, { event: K }> => event.event === word);
}

/** Packs what the run made, and compares it with the framework's own words. @returns metrics, and answers to `raw` */
export async function accepted(data: Data, run: Run) {
  assert.equal(run.exit.code, 0, run.log);
  const made = said(run, 'model').at(-1)!;
  const model = await readFile(made.path);
  const transform = await data.belt.store.localPath(data.manifest.transform);
  const { layout, signature, task } = data.manifest;
  const {
    packaged: path,
    rows,
    worst,
  } = await checkAgreement(
    run.folder,
    { forkModule },
    { layout, signature, task },
    { model, transform, sample: made.sample!, part: data.request.validation[0]! },
  );
  assert.ok(rows > 50 && worst < 0.5, `${rows} rows, apart by ${worst}`);
  const packaged = await readFile(path);
  return { metrics: made.metrics, answers: await score(packaged, readSignature(packaged), raw), worst };
}
