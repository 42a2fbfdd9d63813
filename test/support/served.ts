/** A model that serves, with days of logged predictions and late labels, as the store would hold them. */
import type { z } from 'zod';
import type { Project } from '../../contracts/project.ts';
import type { Package, Slots } from '../../contracts/serving.ts';
import { createJson, putJsonBlob } from '../../infra/store/json.ts';
import { january, project } from './stage.ts';
import type { Bench } from './stage.ts';

export const served: z.input<typeof Project> = project({
  gates: { log_loss: { max: 0.7 } },
  monitor: { minRows: 50, labelDelay: '1d', psi: 0.2 },
  retrain: {
    cooldown: '1d',
    rules: [
      { on: 'drift', psi: 0.25 },
      { on: 'quality', metric: 'log_loss', worseBy: 0.1 },
    ],
  },
});

/** Version 1 of `m` is champion. Its reference: x in ten equal bins of [0, 1], three cities, quiet predictions. */
export async function serve(bench: Bench, change: z.input<typeof Project> = served): Promise<void> {
  const pinned = await bench.pin(change);
  const blob = await bench.store.putBlob('{}', 'application/json');
  const made: Package = {
    model: 'm',
    task: 'binary-classification',
    ...{ onnx: blob, golden: blob, card: blob, scorecard: blob, report: blob },
    signature: {
      task: 'binary-classification',
      inputs: [
        { name: 'x', datatype: 'FP64', shape: [-1] },
        { name: 'city', datatype: 'BYTES', shape: [-1] },
      ],
      outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1] }],
      classes: ['0', '1'],
    },
    reference: [
      {
        ...{ name: 'x', kind: 'number', rows: 1_000, nulls: 0 },
        edges: Array.from({ length: 9 }, (_, i) => (i + 1) / 10),
        counts: Array.from({ length: 10 }, () => 100),
      },
      {
        ...{ name: 'city', kind: 'category', rows: 900, nulls: 0 },
        values: ['ATL', 'DEN', 'JFK'],
        counts: [300, 300, 300, 0],
      },
      { name: 'probability', kind: 'number', rows: 1_000, nulls: 0, edges: [0.5], counts: [500, 500] },
    ],
    metrics: { log_loss: 0.3, roc_auc: 0.9 },
    lifecycleId: 'lifecycle/m/1',
    datasetDigest: 'c'.repeat(64),
    window: january,
    project: pinned,
  };
  const slots: Slots = {
    ...{ model: 'm', epoch: 1, challenger: null, previous: null, reason: 'first', by: 'rollout' },
    champion: { version: 1, package: await putJsonBlob(bench.store, made) },
    at: january.until,
  };
  await createJson(bench.store, 'models/m/current.json', slots);
}

/** What a day looks like: SQL over `i` (0…rows-1). Defaults: nothing has drifted, and the model is right. */
export interface Day {
  rows?: number;
  x?: string;
  city?: string;
  probability?: string;
  label?: string;
}

export async function logDay(bench: Bench, day: string, look: Day = {}): Promise<void> {
  const { rows = 500, x = '(i % 100 + 0.5) / 100', city = `['ATL', 'DEN', 'JFK'][i % 3 + 1]` } = look;
  const { probability = `CASE WHEN i % 2 = 0 THEN 0.2 ELSE 0.8 END`, label = `CAST(i % 2 AS VARCHAR)` } =
    look;
  const db = await bench.deps.openDuckDb(bench.folder);
  const write = async (key: string, select: string) => {
    const path = `${bench.folder}/upload.parquet`;
    await db.run(`COPY (SELECT ${select} FROM range(${rows}) t(i)) TO '${path}' (FORMAT parquet)`);
    await bench.store.createFromFile(key, path, 'application/vnd.apache.parquet');
  };
  const id = `'${day}/' || i AS id`;
  const time = `TIMESTAMP '${day} 12:00:00' AS time`;
  await write(
    `predictions/m/${day}/12/r1-1.parquet`,
    `${id}, ${time}, 1 AS version, 'champion' AS route, 1.5 AS ms, CAST(${x} AS DOUBLE) AS in_x, ${city} AS in_city,
     CAST(${probability} AS FLOAT) AS out_probability`,
  );
  const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
  await write(
    `labels/m/${next}/r1-1.parquet`,
    `${id}, ${label} AS label, TIMESTAMP '${next} 09:00:00' AS time`,
  );
  await db.close();
}

export const dayWindow = (day: string): { from: string; until: string } => ({
  from: `${day}T00:00:00.000Z`,
  until: new Date(Date.parse(day) + 86_400_000).toISOString(),
});
