/**
 * The embedded trainer beside scikit-learn, on the same prepared flights: seconds of the whole process, its heaviest
 * moment, and the validation loss, since a fast model that knows less is no comparison.
 *
 * Rows: 500,000, or BENCH_ROWS. Both may use all cores, as each is set up by itself.
 */
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PreparedManifest } from '../contracts/prepared.ts';
import { TrainerEvent } from '../contracts/trainer.ts';
import type { TrainerRequest } from '../contracts/trainer.ts';
import { OnnxTrainer } from '../contracts/training.ts';
import { forkModule } from '../infra/child.ts';
import { readConfig } from '../infra/config.ts';
import { readJsonBlob } from '../infra/store/json.ts';
import { flightsSql, openBelt, prepared, projectOf } from '../test/activities/prepare/belt.ts';
import { watchMemory } from './processes.ts';
import { interpreterOf } from './python.ts';
import { atMost, just, timed } from './row.ts';
import type { Row } from './row.ts';

interface Measured {
  seconds: number;
  megabytes: number;
  loss: number;
}

const rows = Number(process.env['BENCH_ROWS'] ?? 500_000);
/** Wider than chance makes it on 50,000 validation rows. */
const sameLoss = 0.003;
const features = {
  distance: { log: true },
  hour: { from: 'at', part: 'hour', cyclic: true },
  minute: { from: 'at', part: 'minute', scale: 'standard' },
  weekday: { from: 'at', part: 'weekday', encode: 'one-hot' },
  origin: { encode: 'one-hot', minCount: 50 },
  destination: { encode: 'one-hot', minCount: 50 },
};

export async function training(home: string): Promise<Row[]> {
  const belt = await openBelt();
  try {
    const project = projectOf({ features, split: { by: 'random', validation: 0.1, holdout: 0.05 } });
    const sql = `SELECT * FROM (${flightsSql('2001-01-01', '2001-07-01')}) USING SAMPLE ${rows} ROWS (reservoir, 7)`;
    const output = await prepared(belt, project, sql);
    const manifest = await readJsonBlob(belt.store, output.prepared.manifest, PreparedManifest);
    const paths = (parts: PreparedManifest['train']) =>
      Promise.all(parts.map(({ artifact }) => belt.store.localPath(artifact)));
    const sides = { train: await paths(manifest.train), validation: await paths(manifest.validation) };
    const embedded = (hidden: number[]) =>
      onnx(join(home, `hidden-${hidden.length}`), manifest, sides, hidden);
    const python = await interpreterOf('scikit-learn', readConfig().cacheHome);
    const sklearn = (model: string) => scikitLearn(python, manifest, sides, model);
    const linear = { onnx: await embedded([]), others: [await sklearn('logistic'), await sklearn('sgd')] };
    const deep = { onnx: await embedded([32]), others: [await sklearn('mlp')] };
    return [
      ...rowsOf('onnx, logistic', linear.onnx),
      ...rowsOf('LogisticRegression', linear.others[0]!),
      ...rowsOf('SGDClassifier', linear.others[1]!),
      fasterThan('onnx, logistic', linear.onnx, linear.others),
      ...rowsOf('onnx, hidden [32]', deep.onnx),
      ...rowsOf('MLPClassifier', deep.others[0]!),
      fasterThan('onnx, hidden [32]', deep.onnx, deep.others),
    ];
  } finally {
    await rm(belt.folder, { recursive: true, force: true });
  }
}

const rowsOf = (name: string, { seconds, megabytes, loss }: Measured): Row[] => [
  just(`${rows} flights, ${name}`, seconds, 's'),
  just(`${rows} flights, ${name}: heaviest moment`, megabytes, 'MB'),
  just(`${rows} flights, ${name}: validation log loss`, loss, ''),
];

/** Over the fastest of those that learned as much. */
function fasterThan(name: string, ours: Measured, others: readonly Measured[]): Row {
  const equals = others.filter(({ loss }) => loss <= ours.loss + sameLoss);
  const fastest = Math.min(...equals.map(({ seconds }) => seconds));
  return atMost(`${name} over the fastest equal of scikit-learn`, ours.seconds / fastest, '', 1);
}

interface Sides {
  train: string[];
  validation: string[];
}

async function onnx(folder: string, manifest: PreparedManifest, sides: Sides, hidden: number[]) {
  const work = join(folder, 'work');
  await mkdir(work, { recursive: true });
  const settings = { epochs: 6, batchSize: 1_024, learningRate: 0.003, patience: 2, seed: 7 };
  const { task, layout, columns, rows: counts } = manifest;
  const request: TrainerRequest = {
    ...{ protocol: 1, task, layout, columns, work, ...sides },
    rows: { train: counts.train, validation: counts.validation },
    parameters: OnnxTrainer.parse({ backend: 'onnx', hidden, ...settings }),
    ...{ seed: 7, device: 'cpu', devices: [], batchScale: 1 },
  };
  const path = join(folder, 'request.json');
  await writeFile(path, JSON.stringify(request));
  const started = performance.now();
  const child = forkModule(new URL('../activities/train/onnx-trainer.ts', import.meta.url), { args: [path] });
  const memory = watchMemory(() => [child.pid]);
  let metrics: Record<string, number> = {};
  for await (const line of child.events) {
    const event = TrainerEvent.parse(line);
    if (event.event === 'model') metrics = event.metrics;
  }
  const { code } = await child.exited;
  const seconds = (performance.now() - started) / 1_000;
  if (code !== 0) throw new Error(`the embedded trainer left with ${code}`);
  return { seconds, megabytes: (await memory.stop()).megabytes, loss: metrics['validation_loss']! };
}

async function scikitLearn(python: string, { layout }: PreparedManifest, sides: Sides, model: string) {
  const cardinalities = layout.categorical.map(({ cardinality }) => cardinality);
  const order = { ...sides, numeric: layout.numeric.length, cardinalities, model };
  const script = fileURLToPath(new URL('./training.py', import.meta.url));
  const words = [script, JSON.stringify(order)];
  const [{ stdout }, seconds] = await timed(() => promisify(execFile)(python, words));
  return { ...(JSON.parse(stdout) as Omit<Measured, 'seconds'>), seconds };
}
