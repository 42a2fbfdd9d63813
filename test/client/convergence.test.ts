/** What an operator reads of the replicas of a model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convergenceOf, convergenceText } from '../../client/convergence.ts';
import type { ReplicaStatus } from '../../contracts/serving.ts';
import { createJson } from '../../infra/store/json.ts';
import { publishSlots } from '../support/serving-model.ts';
import { openBench } from '../support/stage.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const before = (ms: number) => new Date(now - ms).toISOString();
type State = ReplicaStatus['models'][string];
const state = (epoch: number, more: Partial<State> = {}): State => ({
  ...{ epoch, loaded: [epoch], failed: [], counters: [], since: before(90_000), ...more },
});

async function looked(notes: Record<string, [silentMs: number, models: Record<string, State>, object?]>) {
  const bench = await openBench();
  for (let epoch = 1; epoch <= 7; epoch++) await publishSlots(bench.store, {});
  for (const [replica, [silentMs, models, more = {}]] of Object.entries(notes)) {
    const url = `http://${replica}:8080`;
    const status = { replica, url, at: before(silentMs), startedAt: before(3_600_000), models, ...more };
    await createJson(bench.store, `replicas/${replica}.json`, status);
  }
  const found = await convergenceOf(bench.store, 'flights', now);
  await bench.close();
  return found;
}

test('a replica is at the epoch, behind, failed or gone; long gone it is left out', async () => {
  const failed = [{ version: 7, epoch: 7, reason: 'golden row 0 gives 1, evaluate had 2' }];
  const log = { bytes: 2_500_000, lagSeconds: 65, dropped: 0 };
  const found = await looked({
    ahead: [-500, { flights: state(7) }], // its clock goes before ours
    behind: [400, { flights: state(6) }, { log }],
    failed: [1_000, { flights: state(6, { failed }) }],
    gone: [60_000, { flights: state(5) }],
    lost: [700_000, { flights: state(5) }],
    stranger: [100, { orders: state(9) }],
  });
  assert.deepEqual([found.desired, found.converged, found.alive], [7, 1, 3]);
  assert.deepEqual(
    found.replicas.map(({ replica, state: is }) => [replica, is]),
    [
      ['ahead', 'ok'],
      ['behind', 'behind'],
      ['failed', 'failed'],
      ['gone', 'gone'],
    ],
  );
  const { summary, details } = convergenceText(found);
  assert.equal(summary, '1 of 3 replicas at epoch 7');
  const text = details.join('\n');
  assert.match(text, /^ahead +ok +7 +7 +2026-03-01 11:58:30 +0\.0 s ago +http:\/\/ahead:8080$/m);
  assert.match(text, /^gone +gone +5 +5 .* 1 min 0 s ago/m);
  assert.match(text, /^failed: version 7 of epoch 7: golden row 0 gives 1, evaluate had 2$/m);
  assert.match(text, /^behind: the store has taken no predictions for 1 min 5 s; 2\.5 MB wait on its disk$/m);
});

test('what a replica of 0.3.0 says is enough', async () => {
  const { since: _, ...old } = state(7);
  const found = await looked({ old: [0, { flights: old }] });
  assert.equal(found.replicas[0]?.since, before(3_600_000));
  assert.equal(convergenceText(found).summary, '1 of 1 replica at epoch 7');
});

test('nobody serves', async () => {
  assert.deepEqual(convergenceText(await looked({})), { summary: 'no replica is alive', details: [] });
});
