/** The place of a chaos run: a real stack in a temporary home, four models on tiny data, and its two diaries. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Esteira } from '../../client/index.ts';
import { openEsteira } from '../../client/session.ts';
import { startStack } from '../../client/stack.ts';
import type { Stack } from '../../client/stack.ts';
import type { Project } from '../../contracts/project.ts';
import { readConfig } from '../../infra/config.ts';
import type { Config } from '../../infra/config.ts';
import { anyPorts } from '../support/ports.ts';
import { openReceiver } from '../support/receiver.ts';
import type { Receiver } from '../support/receiver.ts';
import { csv, project } from '../support/stage.ts';
import { note } from './checker/acknowledged.ts';
import type { Acknowledged, Disturbance } from './checker/acknowledged.ts';

/** What names in rows begin with, which no feature reads. It must be seen nowhere else. */
export const canary = 'vermilion42';
export const approvers = ['ada', 'bob', 'cy'] as const;

const quick = { backend: 'onnx', epochs: 2, batchSize: 128, seed: 1 } as const;
/** Some seconds of training with many checkpoints, so that faults meet it in the middle. */
const slow = { ...quick, epochs: 500, patience: 500, batchSize: 16, checkpointEvery: '300ms' } as const;
/** Agreement is not what is tested: too few rows to judge by, so that only errors stop a rollout. */
const canaried = { steps: [{ share: 0.5, bake: '4s' }], minRows: 100_000 };
const people = {
  policy: 'people' as const,
  need: { risk: 2 },
  people: { risk: [...approvers] },
  ...{ deadline: '30s', reminder: '10s' },
};

/** Two trials of one training. */
const halves = { method: 'grid' as const, space: { learningRate: { values: [0.02, 0.001] } } };

/** What machines tell the gateway of. Each model answers otherwise: at once, after a while, by a proposal, until its budget is spent. */
export const listenedTo = { type: 'shift.ended', source: 'plant' };
const onEvent = { on: 'event' as const, type: 'shift.*', source: 'plant' };
/** In event time; so short that what comes out of order meets it, and little else. */
const cooldown = '1m';

const models: Record<string, Partial<z.input<typeof Project>>> = {
  auto: {
    trainer: quick,
    alerts: { sinks: [{ to: 'webhook', url: 'RECEIVER' }] },
    retrain: { rules: [{ on: 'every', period: '12h' }, onEvent], cooldown: '1h' },
  },
  canaried: {
    trainer: { ...quick, seed: 2 },
    rollout: canaried,
    retrain: { rules: [onEvent], cooldown, debounce: '2s' },
  },
  asked: {
    ...{ trainer: { ...quick, seed: 3 }, approval: people, search: halves },
    retrain: { rules: [onEvent], cooldown, mode: 'suggest' },
  },
  slow: { trainer: slow, rollout: canaried, retrain: { rules: [onEvent], cooldown, budget: { runs: 4 } } },
};
export const modelNames = Object.keys(models);

/** Without its time, which is the diary's to add. */
type Told<A> = A extends unknown ? Omit<A, 'at'> : never;

export interface Town {
  home: string;
  config: Config;
  stack: Stack;
  esteira: Esteira;
  folders: Record<string, string>;
  /** Of alerts. */
  receiver: Receiver;
  /** Lines of `ESTEIRA_FAULT=file:…`; the milliseconds that clocks of new processes are wrong by. */
  files: { faults: string; skew: string; acknowledged: string; disturbances: string };
  acknowledge(line: Told<Acknowledged>): void;
  disturb(line: Told<Disturbance>): void;
  close(): Promise<void>;
}

export async function openTown(): Promise<Town> {
  const home = await mkdtemp(join(tmpdir(), 'esteira-chaos-'));
  const at = (name: string) => join(home, 'chaos', name);
  const files = {
    ...{ faults: at('faults'), skew: at('skew') },
    ...{ acknowledged: at('acknowledged.jsonl'), disturbances: at('disturbances.jsonl') },
  };
  await mkdir(at('.'), { recursive: true });
  for (const path of Object.values(files)) await writeFile(path, '');
  inheritFaults(files);
  const own = { ESTEIRA_HOME: home, ESTEIRA_STORE: '', TEMPORAL_ADDRESS: '', ...anyPorts };
  const config = readConfig({ ...process.env, ...own, ESTEIRA_FAULT: '', LOG_LEVEL: 'info' });
  const stack = await startStack(config);
  const esteira = await openEsteira(config);
  const folders: Record<string, string> = {};
  const receiver = await openReceiver();
  for (const [model, change] of Object.entries(models)) {
    const located = JSON.parse(JSON.stringify(change).replaceAll('RECEIVER', receiver.url)) as typeof change;
    folders[model] = await write(home, model, located);
  }
  const now = () => new Date().toISOString();
  return {
    ...{ home, config, stack, esteira, folders, receiver, files },
    acknowledge: (line) => note(files.acknowledged, { ...line, at: now() }),
    disturb: (line) => note(files.disturbances, { ...line, at: now() }),
    async close() {
      await stack.stop();
      await esteira.close();
      await receiver.close();
    },
  };
}

/** Every process of the stack inherits them; this one read its own environment at its start. */
function inheritFaults({ faults, skew }: Town['files']): void {
  process.env['ESTEIRA_FAULT'] = `file:${faults}`;
  process.env['CHAOS_SKEW'] = skew;
  process.env['NODE_OPTIONS'] = `--import=${new URL('./skew.mjs', import.meta.url).href}`;
}

async function write(home: string, model: string, change: Partial<z.input<typeof Project>>): Promise<string> {
  const folder = join(home, 'chaos', 'projects', model);
  await mkdir(folder, { recursive: true });
  const text = project({
    model,
    gates: { roc_auc: { min: 0.6 } },
    rollout: { steps: [] },
    reuse: false,
    ...change,
  });
  await writeFile(join(folder, 'esteira.yaml'), JSON.stringify(text, null, 2)); // JSON is YAML
  const [head, ...rows] = csv(1_500).trimEnd().split('\n');
  await writeFile(
    join(folder, 'rows.csv'),
    [`${head},name`, ...rows.map((row, i) => `${row},${canary}-${i}`)].join('\n'),
  );
  return folder;
}
