/**
 * Every failpoint that a stack on a file store passes strikes once as an error, and one of each stage, of the store,
 * of serving and of the gateway once more as a death. Every run ends well, and the checker finds nothing.
 *
 * What only an S3 store passes is struck in test/faults/, what only commands pass in test/chaos/commands.test.ts.
 */
import assert from 'node:assert/strict';
import { appendFile, readFile, rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { hasCode } from '../../infra/errno.ts';
import { release } from '../../client/rollout.ts';
import { failpoints } from '../../infra/faults.ts';
import { get } from '../support/gateway.ts';
import { january } from '../support/stage.ts';
import { until } from '../support/until.ts';
import { readAcknowledged } from './checker/acknowledged.ts';
import { judge } from './judge.ts';
import { ask } from './load.ts';
import { labelAt, pushTo, tellOf } from './load-gateway.ts';
import { atRest } from './rest.ts';
import { reachable } from './plan.ts';
import { listenedTo, modelNames, openTown } from './town.ts';
import type { Town } from './town.ts';

let town: Town;
before(async () => (town = await openTown()));
after(async () => {
  await town.close();
  await rm(town.home, { recursive: true, force: true });
});

let asked = 0;
async function everybodyRuns(): Promise<void> {
  await Promise.all(
    modelNames.map((model) =>
      insist(() =>
        ask(town, model, {
          id: `every/${++asked}`,
          kind: 'manual',
          by: 'ana',
          reason: 'on',
          at: january.until,
        }),
      ),
    ),
  );
}

/** A caller whose call was cut short tries again; the second is a second, for ids are its own affair. */
async function insist(action: () => Promise<void>): Promise<void> {
  let refused: unknown;
  await until(() =>
    action().then(
      () => true,
      (error: unknown) => {
        refused = error;
        return false;
      },
    ),
  ).catch(() => assert.fail(`refused to the end: ${String(refused)}`));
}

/** Two people agree to whatever is asked. */
async function agree(): Promise<void> {
  for (const { request } of await town.esteira.approvals()) {
    for (const by of ['ada', 'bob'])
      await town.esteira.decide(request.requestId, { approved: true, by, reason: 'on' });
  }
}

async function idle(): Promise<boolean> {
  const about = await Promise.all(modelNames.map((model) => town.esteira.describe(model)));
  return about.every((one) => one?.inFlight === null);
}

/** Machines tell the gateway: of something that every model listens to, and that is no news to any; labels; rows. */
async function machinesTell(): Promise<void> {
  const { gatewayUrl } = town.stack;
  await until(async () => {
    const known = await get(`${gatewayUrl}/listeners`).catch(() => undefined);
    return known !== undefined && modelNames.every((model) => model in known.body);
  });
  const id = `every-${asked}`;
  const time = new Date(Date.parse(january.until) - 86_400_000).toISOString();
  const taken = async (kind: 'event' | 'label' | 'push', act: () => Promise<unknown>) => {
    const count = async () =>
      readAcknowledged(town.files.acknowledged).filter((one) => one.kind === kind).length;
    const before = await count();
    await insist(async () => {
      const answer = await act();
      assert((await count()) > before, `it was not acknowledged: ${JSON.stringify(answer)}`);
    });
  };
  for (const _ of [1, 2])
    await taken('event', () => tellOf(town, { id, ...listenedTo, time, data: { asked } }));
  await taken('label', () => labelAt(town, 'auto', [id], 1));
  const rows = [{ id, heat: asked }];
  for (const _ of [1, 2]) await taken('push', () => pushTo(town, rows, [id], id));
  await until(async () => {
    const { body } = await get(`${gatewayUrl}/events?source=${listenedTo.source}&id=${id}`).catch(() => ({
      body: { disposition: null },
    }));
    return Boolean(body.disposition);
  });
}

/**
 * Until `auto` serves: so many faults at once can be more than a replica's patience with a version, which is then taken
 * back, and nothing else may keep it from serving.
 */
async function everybodyServes(): Promise<void> {
  let n = 0;
  for (;;) {
    await everybodyRuns();
    await until(async () => {
      await agree().catch(() => undefined); // it may be cut short by the very faults
      const body = { x: 0.5, city: 'ATL' };
      const answered = await town.esteira
        .predict('auto', [body], { id: `every-${asked}-${++n}` })
        .catch(() => undefined);
      if (answered) town.acknowledge({ kind: 'prediction', model: 'auto', ids: answered.ids });
      return idle().catch(() => false);
    });
    let about: Awaited<ReturnType<typeof town.esteira.describe>>;
    await insist(async () => void (about = await town.esteira.describe('auto')));
    if (about?.slots?.champion) return;
    const outcome = await town.esteira.outcome(`lifecycle/auto/${about?.lifecycles}`);
    assert.equal(outcome.status, 'rolled-back', JSON.stringify(outcome));
  }
}

async function live(): Promise<void> {
  await everybodyServes();
  const from = Date.parse(january.until) + asked * 86_400_000;
  await town.esteira.tick('auto', {
    from: new Date(from).toISOString(),
    until: new Date(from + 3_600_000).toISOString(),
  });
  await machinesTell();
  await insist(async () => {
    const answer = await town.esteira.rollback('canaried', 'bob', 'a drill');
    town.acknowledge({ kind: 'rollback', model: 'canaried', by: 'bob', answer });
  });
  await insist(async () => {
    const { versions = [] } = (await town.esteira.describe('canaried')) ?? {};
    const barred = versions.findLast(({ quarantined }) => quarantined !== null);
    const reason = `a drill, after ${asked}`;
    if (barred) await release(town.esteira, 'canaried', { version: barred.version, by: 'bob', reason });
  });
}

async function restartServing(): Promise<void> {
  const { serving } = town.stack.pids();
  try {
    process.kill(serving, 'SIGTERM');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error; // it has just ended at a point
  }
  await until(() => town.stack.pids().serving !== serving);
  await until(() =>
    fetch(`${town.stack.servingUrl}/v2/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}

const struck = async () =>
  (await readFile(`${town.files.faults}.struck`, 'utf8').catch(() => '')).split('\n').slice(0, -1);

test('each strikes once as an error', { timeout: 1_600_000 }, async () => {
  const lines = reachable.map((point) => `${point}:throw@1`);
  await appendFile(town.files.faults, `${lines.join('\n')}\n`);
  for (const line of lines) town.disturb({ kind: 'failpoint', detail: line });
  await live();
  await live();
  // Each ends at one of its points, until none is left: how many it takes is a matter of which strikes first.
  await until(async () => {
    await restartServing();
    return (await struck()).length === lines.length;
  }).catch(async (error: unknown) => {
    const met = (await struck()).join('\n');
    throw new Error(`never passed: ${reachable.filter((point) => !met.includes(point)).join(', ')}`, {
      cause: error,
    });
  });
});

test(
  'one of each stage, the store, serving and the gateway strikes once as a death',
  { timeout: 1_600_000 },
  async () => {
    const before = (await struck()).length;
    const deadly = [
      'ingest:made',
      'validate:made',
      'prepare:made',
      'train:checkpointed',
      'evaluate:made',
      'approve:filed',
    ];
    deadly.push('gateway:accepted', 'gateway:claimed', 'gateway:triggered', 'gateway:landing');
    deadly.push('deploy:slots', 'retrain:filed', 'store:locked', 'serving:appended', 'serving:swapped');
    assert(deadly.every((point) => (failpoints as readonly string[]).includes(point)));
    await appendFile(town.files.faults, deadly.map((point) => `${point}:kill@1\n`).join(''));
    for (const point of deadly) town.disturb({ kind: 'failpoint', detail: `${point}:kill@1` });
    await live();
    assert.equal((await struck()).length - before, deadly.length);
  },
);

test('nothing was lost, done twice, or left behind', { timeout: 1_700_000 }, async () => {
  assert.match(await atRest(town), /at rest/);
  const { breaches } = await judge(town);
  assert.deepEqual(breaches, []);
});
