/**
 * A worker that is stopped past every timeout, and then goes on: meanwhile another has done its work. Whatever the
 * first one still writes comes late, is refused where it would take effect, and is told in its log.
 */
import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { leaseKey, LeaseRecord } from '../../activities/lease.ts';
import { recordKey, StageRecord } from '../../activities/record.ts';
import { checkpointKey, CheckpointRecord } from '../../activities/train/checkpoints.ts';
import { forkModule } from '../../infra/child.ts';
import type { Child } from '../../infra/child.ts';
import { readJson } from '../../infra/store/json.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { descendantsOf } from '../support/processes.ts';
import { replayAll } from '../support/replay.ts';
import { until } from '../support/until.ts';

const long = {
  backend: 'onnx',
  epochs: 2_000,
  patience: 2_000,
  batchSize: 16,
  checkpointEvery: '200ms',
} as const;
const [trained, deployed] = ['lifecycle/trained/1', 'lifecycle/deployed/1'];

let belt: Belt;
let seq: number;
let faults: string;
let second: Child | undefined;
before(async () => {
  faults = join(await mkdtemp(join(tmpdir(), 'esteira-faults-')), 'faults');
  await writeFile(faults, '');
  process.env['ESTEIRA_FAULT'] = `file:${faults}`;
  belt = await openBelt();
});
after(async () => {
  delete process.env['ESTEIRA_FAULT'];
  await second?.kill();
  await belt.close();
});

const struck = async (point: string) =>
  (await readFile(`${faults}.struck`, 'utf8').catch(() => '')).includes(point);
const read = async <S extends Parameters<typeof readJson>[2]>(key: string, schema: S) =>
  (await readJson(belt.esteira.store, key, schema))?.value;
const workerLog = () => readFile(join(belt.home, 'logs', 'worker.log'), 'utf8');
const refusals = async (what: RegExp) =>
  (await workerLog())
    .split('\n')
    .filter((line) => line.includes('a late writer was refused') && what.test(line));

function startSecondWorker(): Child {
  const env = {
    ...{ ESTEIRA_HOME: join(belt.home, 'second'), ESTEIRA_STORE: belt.config.store, ESTEIRA_FAULT: '' },
    ...{ TEMPORAL_ADDRESS: belt.stack.address, LOG_LEVEL: 'error' },
  };
  return forkModule(new URL('../../workers/cpu.ts', import.meta.url), { env, onText: () => {} });
}

test('a stopped worker comes back after another has done its work', { timeout: 1_440_000 }, async () => {
  await belt.start(await belt.project('trained', { trainer: long }));
  await until(async () => ((await read(checkpointKey(trained), CheckpointRecord))?.step ?? 0) > 0);
  await belt.start(await belt.project('deployed'));
  // Two seconds in the middle of a write, in which it is stopped: so the write is what it goes on with.
  await appendFile(faults, 'deploy:slots:slow@1\n');
  await until(() => struck('deploy:slots'));
  await appendFile(faults, 'train:checkpoint:slow@1\n');
  await until(() => struck('train:checkpoint'));
  const zombie = belt.stack.pids().worker;
  process.kill(zombie, 'SIGSTOP');

  second = startSecondWorker();
  const outcomes = await Promise.all([trained, deployed].map((id) => belt.esteira.outcome(id)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['deployed', 'deployed'],
  );
  // Two or three: the server may have handed the second try to the stopped one, too.
  seq = (await read(leaseKey(trained, 'train'), LeaseRecord))!.seq;
  assert(seq >= 2);

  process.kill(zombie, 'SIGCONT');
  await until(async () => (await refusals(/checkpoint\.json/)).length > 0);
  await until(async () => (await refusals(/"model":"deployed"/)).length > 0);
});

test('what the second did stands, and the trainer of the first is gone', { timeout: 480_000 }, async () => {
  assert.equal((await read(recordKey(trained, 'train'), StageRecord))?.seq, seq);
  assert.equal((await read(checkpointKey(trained), CheckpointRecord))?.seq, seq);
  const slots = await belt.slots('deployed');
  assert.deepEqual(
    slots.map(({ epoch, champion }) => [epoch, champion?.version]),
    [
      [1, undefined],
      [2, 1],
    ],
  );
  await until(
    async () =>
      !(await descendantsOf(belt.stack.pids().worker)).some(({ command }) => command.includes('trainer')),
  );
  await until(async () => (await belt.leftovers()).length === 0);
});

test('every history replays', async () => {
  await replayAll(belt.esteira.client);
});
