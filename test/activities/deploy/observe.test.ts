/** Drift and quality of a rollout, from a prediction log where both versions scored the same rows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { observe } from '../../../activities/deploy/observe.ts';
import type { ObserveInput } from '../../../contracts/activities.ts';
import type { Rollout } from '../../../contracts/strategy.ts';
import type { Signature } from '../../../contracts/serving.ts';
import { createJson, putJsonBlob } from '../../../infra/store/json.ts';
import { january, openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

const binary: Signature = {
  task: 'binary-classification',
  inputs: [{ name: 'x', datatype: 'FP64', shape: [-1] }],
  outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1] }],
  classes: ['no', 'yes'],
};

/** SQL over `i`: what each version says of row i, and what really happened. */
interface Rows {
  mine: string;
  champions: string;
  label?: string;
  rows?: number;
}

async function logged(bench: Bench, signature: Signature, { mine, champions, label, rows = 400 }: Rows) {
  const blob = await bench.store.putBlob('{}', 'application/json');
  const output = signature.outputs[0]!.name;
  const made = {
    ...{ model: 'm', task: signature.task, signature, metrics: {}, lifecycleId: 'lifecycle/m/2' },
    ...{ onnx: blob, golden: blob, card: blob, scorecard: blob, report: blob, project: blob },
    reference: [{ name: output, kind: 'number', rows: 100, nulls: 0, edges: [0.5], counts: [50, 50] }],
    ...{ datasetDigest: 'c'.repeat(64), window: january },
  };
  const digest = 'a'.repeat(64);
  const subject = {
    ...{ model: 'm', modelDigest: digest, datasetDigest: digest },
    ...{ scorecardDigest: digest, policyDigest: digest },
  };
  await createJson(bench.store, 'models/m/versions/2.json', {
    ...{ model: 'm', version: 2, package: await putJsonBlob(bench.store, made) },
    ...{ lifecycleId: 'lifecycle/m/2', registeredAt: january.from },
    verdict: {
      ...{ requestId: 'm/2', status: 'approved', policy: 'auto', decisions: [], subject, at: january.from },
    },
  });
  const db = await bench.deps.openDuckDb(bench.folder);
  const write = async (key: string, select: string) => {
    const path = `${bench.folder}/${key.replaceAll('/', '-')}`;
    await db.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
    await bench.store.createFromFile(key, path, 'application/vnd.apache.parquet');
  };
  // Event time is long past: files are found by their own age.
  const row = (version: number, route: string, said: string, epoch = 4) =>
    `SELECT 'r' || i AS id, TIMESTAMP '2001-02-01' AS time, TIMESTAMP '2001-02-01' AS "loggedAt",
      ${version} AS version, '${route}' AS route, ${epoch} AS epoch, ${said} AS out_${output} FROM range(${rows}) t(i)`;
  await write('predictions/m/2001-02-01/00/r-2.parquet', row(2, 'shadow', mine));
  await write('predictions/m/2001-02-01/00/r-1.parquet', row(1, 'champion', champions));
  // Before the rollout: of no account, however wrong.
  await write('predictions/m/2001-02-01/00/r-0.parquet', row(1, 'champion', champions, 2));
  if (label)
    await write(
      'labels/m/2001-02-02/r-1.parquet',
      `SELECT 'r' || i AS id, ${label} AS label, TIMESTAMP '2001-02-02' AS time FROM range(${rows}) t(i)`,
    );
  await db.close();
}

async function seen(
  rows: Rows,
  rollout: z.input<typeof Rollout> = {},
  { signature = binary, ...asked }: Partial<ObserveInput> & { signature?: Signature } = {},
) {
  const bench = await openBench();
  await logged(bench, signature, rows);
  const input: ObserveInput = {
    ...{ project: await bench.pin(project({ task: signature.task, rollout })), model: 'm', version: 2 },
    ...{ champion: 1, epoch: 5, share: 0, log: true, mode: 'shadow' },
    since: { epoch: 3, at: new Date().toISOString() },
    ...asked,
  };
  const look = (one: ObserveInput) => observe(bench.deps, one);
  const [first, again] = [await bench.run(look, input), await bench.run(look, input)];
  await bench.close();
  assert.deepEqual({ ...again, at: '' }, { ...first, at: '' }, 'a look that is taken again says the same');
  const guard = (name: string) => first.guards?.find((one) => one.guard === name);
  return { ...first, guard };
}

const half = `CASE WHEN i % 2 = 0 THEN 'no' ELSE 'yes' END`;
const right = `CAST(CASE WHEN i % 2 = 0 THEN 0.2 ELSE 0.8 END AS FLOAT)`;
/** Wrong on every fourth row. */
const poor = `CAST(CASE WHEN (i % 2 = 0) <> (i % 4 = 0) THEN 0.2 ELSE 0.8 END AS FLOAT)`;

test('a version that labels show to be worse is stopped, with the evidence in words', async () => {
  const look = await seen({ mine: poor, champions: right, label: half });
  assert.equal(look.healthy, false);
  assert.match(
    look.reason,
    /400 labels show it to be worse than the champion: brier 0\.\d+, the champion's 0.04/,
  );
  const quality = look.guard('quality')!;
  assert.deepEqual([quality.passed, quality.limit, quality.rows], [false, 20, 400]);
  assert(quality.value! > 20);
});

test('equal and better versions go on; without labels nothing is said', async () => {
  const equal = await seen({ mine: right, champions: right, label: half });
  assert.deepEqual([equal.healthy, equal.guard('quality')?.passed], [true, true]);
  assert.match(equal.reason, /quality 1 \(at most 20; 400 rows; brier 0.04, the champion's 0.04\)/);
  const better = await seen({ mine: right, champions: poor, label: half });
  assert(better.guard('quality')!.value! < 0.2);
  const waiting = await seen({ mine: poor, champions: right });
  assert.deepEqual([waiting.healthy, waiting.guard('quality')?.passed], [true, null]);
  const few = await seen({ mine: poor, champions: right, label: half, rows: 40 });
  assert.equal(few.guard('quality')?.passed, null, 'fewer than minLabels');
});

test('false switches the quality guard off, and a look without the log reads none', async () => {
  const off = await seen({ mine: poor, champions: right, label: half }, { quality: false });
  assert.deepEqual([off.healthy, off.guard('quality')], [true, undefined]);
  const quick = await seen({ mine: poor, champions: right, label: half }, {}, { log: false });
  assert.deepEqual([quick.healthy, quick.guard('quality')], [true, undefined]);
});

test('predictions that differ from the holdout are drift, once there are enough', async () => {
  const away = await seen({ mine: 'CAST(0.9 AS FLOAT)', champions: right }, { maxDrift: 0.25 });
  assert.equal(away.healthy, false);
  assert.match(away.reason, /its predictions differ from those on its holdout by a PSI of \d/);
  const home = await seen({ mine: right, champions: right }, { maxDrift: 0.25 });
  assert.deepEqual([home.healthy, home.guard('drift')?.passed], [true, true]);
  const few = await seen({ mine: 'CAST(0.9 AS FLOAT)', champions: right, rows: 39 }, { maxDrift: 0.25 });
  assert.equal(few.guard('drift')?.passed, null, '20 rows a bin');
});

test('ab: the one that is shown to be better wins, with half of alpha each', async () => {
  const ab = { strategy: 'ab' } as const;
  const won = await seen({ mine: right, champions: poor, label: half }, ab, { mode: 'ab' });
  assert.deepEqual([won.healthy, won.winner, won.guard('winner')?.limit], [true, 'challenger', 40]);
  const lost = await seen({ mine: poor, champions: right, label: half }, ab, { mode: 'ab' });
  assert.deepEqual([lost.healthy, lost.winner], [false, 'champion']);
  const open = await seen({ mine: right, champions: right, label: half }, ab, { mode: 'ab' });
  assert.deepEqual([open.healthy, open.winner], [true, null]);
});

test('multiclass is judged by names of labels, regression by who is further off', async () => {
  const classes: Signature = {
    ...{ ...binary, task: 'multiclass-classification', classes: ['a', 'b', 'c'] },
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 3] }],
  };
  const sure = (k: string) =>
    `list_transform([0, 1, 2], k -> CAST(CASE WHEN k = ${k} THEN 0.8 ELSE 0.1 END AS FLOAT))`;
  const label = `['a', 'b', 'c'][i % 3 + 1]`;
  const worse = { mine: sure('(i + CAST(i % 5 = 0 AS INTEGER)) % 3'), champions: sure('i % 3'), label };
  for (const loss of ['brier', 'error'] as const) {
    const look = await seen(worse, { quality: { loss } }, { signature: classes });
    assert.match(look.reason, new RegExp(`worse than the champion: ${loss} `));
  }
  const numbers: Signature = {
    ...{ ...binary, task: 'regression', classes: [] },
    outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1] }],
  };
  const off = (by: string) => `CAST(i + ${by} AS FLOAT)`;
  const far = { mine: off('(i % 7 - 3) * 2'), champions: off('(i % 7 - 3)'), label: 'CAST(i AS VARCHAR)' };
  const look = await seen(far, {}, { signature: numbers });
  assert.match(look.reason, /worse than the champion: relative-error 3\.4\d+, the champion's 1\.7/);
});
