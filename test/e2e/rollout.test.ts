/** A rollout on a real stack, judged by late labels of rows that both versions have scored. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { rolloutStatus, sayToRollout } from '../../client/rollout.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { replayAll } from '../support/replay.ts';
import { january } from '../support/stage.ts';
import { until } from '../support/until.ts';

let belt: Belt;
before(async () => (belt = await openBelt()));
after(() => belt.close());

/** So that nothing but labels can tell the versions apart. */
const blind = { minAgreement: -1, maxLatencyRatio: 1e6 };
const shuffled = { by: 'ana', until: january.until, drill: { overrideGates: true, shuffleLabels: true } };

/** Asks for rows of the project's kind, and tells what really happened at once. */
async function traffic(model: string, round: number): Promise<void> {
  const rows = Array.from({ length: 60 }, (_, i) => ({
    x: (i % 17) / 17,
    city: ['ATL', 'DEN', 'JFK'][i % 3],
  }));
  for (const [n, part] of [rows.slice(0, 30), rows.slice(30)].entries()) {
    const { ids } = await belt.esteira.predict(model, part, { id: `${model}-${round}-${n}` });
    const labels = ids.map((id, i) => ({ id, label: part[i]!.x * 17 > 8 ? 1 : 0 }));
    await belt.esteira.labels(model, labels);
  }
}

/** Traffic until the second version's rollout is over. @returns how it ended */
async function underTraffic(model: string) {
  for (let round = 1; ; round++) {
    const status = await rolloutStatus(belt.esteira, model);
    if (status.kind === 'over' && status.record.version === 2) return status.record.outcome;
    await traffic(model, round);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

test(
  'in shadow, a version that has learned nothing is found by its labels, and nobody got its answer',
  { timeout: 400_000 },
  async () => {
    const shadow = { share: 1, bake: '120s' };
    const rollout = { strategy: 'shadow-then-canary' as const, shadow, ...blind };
    const folder = await belt.project('unseen', { rollout });
    await belt.esteira.outcome(await belt.start(folder));
    const second = await belt.esteira.run(folder, shuffled);
    assert(second.status === 'started');
    await until(async () => (await belt.esteira.describe('unseen'))?.slots?.challenger?.shadow === 1);
    const outcome = await underTraffic('unseen');
    assert(outcome.status === 'rolled-back', JSON.stringify(outcome));
    assert.match(outcome.reason, /labels show it to be worse than the champion: brier 0\.\d+/);
    const described = await belt.esteira.describe('unseen');
    assert.match(described!.versions[1]!.quarantined!, /seen: errors 0 %.* quality /);
    assert.equal(described!.slots?.champion?.version, 1);
    const rows = await belt.stored('predictions/unseen/');
    const said = rows.filter(({ version }) => version === 2);
    assert(said.length > 50 && said.every(({ route }) => route === 'shadow'));
  },
);

test('ab: labels decide for the version that has learned something', { timeout: 400_000 }, async () => {
  const rollout = { strategy: 'ab' as const, ab: { share: 0.5, maxDuration: '240s' }, ...blind };
  const folder = await belt.project('rivals', { rollout });
  const first = await belt.esteira.run(folder, shuffled);
  assert(first.status === 'started');
  await belt.esteira.outcome(first.lifecycleId);
  await belt.start(folder);
  await until(async () => (await belt.esteira.describe('rivals'))?.slots?.challenger?.share === 0.5);
  const paused = await sayToRollout(belt.esteira, 'rivals', 'pause', { by: 'ana', reason: 'a drill' });
  assert.equal(paused.accepted, true);
  await sayToRollout(belt.esteira, 'rivals', 'resume', { by: 'ana', reason: 'go on' });
  const outcome = await underTraffic('rivals');
  assert.equal(outcome.status, 'promoted', JSON.stringify(outcome));
  assert.equal(outcome.steps.at(-1)?.winner, 'challenger');
});

test('every history replays', async () => {
  assert((await replayAll(belt.esteira.client))['rollout']! >= 4);
});
