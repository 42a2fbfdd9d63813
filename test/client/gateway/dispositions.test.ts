/**
 * I5: every event that was acknowledged is in the ledger once, and has exactly one disposition, though the gateway is killed
 * between every two steps; and a model is told once of each.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AllActivities } from '../../../contracts/activities.ts';
import { LedgerEntry } from '../../../contracts/model.ts';
import { readJson } from '../../../infra/store/json.ts';
import { entity, setup, trigger } from '../../support/entity.ts';
import { get, ledgered, makeGatewayPlace, pinned, readLedger, send, tell } from '../../support/gateway.ts';
import type { GatewayPlace } from '../../support/gateway.ts';
import { until } from '../../support/until.ts';
import { openWorld } from '../../support/world.ts';
import type { World } from '../../support/world.ts';

let world: World;
let place: GatewayPlace;
let activities: AllActivities;

before(async () => {
  world = await openWorld();
  place = await makeGatewayPlace(world.env.address);
  activities = ledgered(world, place.store);
});
after(async () => {
  await place.remove();
  await world.close();
});

const rules = [
  { on: 'event' as const, type: 'shift.*', source: 'plant' },
  { on: 'code-changed' as const, repository: 'fleet/delays', branch: 'main', paths: ['train/**'] },
];

/** A model that was run once, and listens. No cooldown, so that each trigger starts, or merges. */
async function listening(model: string): Promise<void> {
  const project = await pinned(place.store, model, { rules });
  const owner = entity(world, model);
  await owner.ask(trigger({ at: '2001-01-01T00:00:00.000Z' }), setup(model, { project, cooldownMs: 0 }));
  await owner.idle();
}

async function told(url: string, id: string): Promise<{ models: { trigger: string; model: string }[] }> {
  let found: { status?: string } | null = null;
  await until(async () => {
    const { body } = await get(`${url}/events?source=plant&id=${id}`);
    found = body.disposition;
    return found !== null;
  });
  return found as unknown as { models: { trigger: string; model: string }[] };
}

test('an event is told to each model that listens; without one it is ignored, and the answer says so', () =>
  world.withWorker(activities, async () => {
    await listening('tardy');
    await listening('early');
    const { child, url } = await place.start();
    const first = await tell(url, 'a');
    assert.equal(first.status, 202);
    assert.deepEqual(first.body, { id: 'a', source: 'plant', status: 'accepted', disposition: null });
    const { models } = await told(url, 'a');
    assert.deepEqual(models.map(({ model }) => model).toSorted(), ['early', 'tardy']);
    const again = await tell(url, 'a');
    assert.equal(again.status, 200);
    assert.deepEqual(again.body.disposition.models, models);
    assert.equal((await tell(url, 'a', { data: 1 })).status, 409);
    const unheard = await tell(url, 'b', { type: 'lunch' });
    assert.equal(unheard.status, 202);
    assert.deepEqual(unheard.body.disposition, {
      status: 'ignored',
      why: 'no model listens to lunch of plant',
    });
    const push = {
      ref: 'refs/heads/main',
      after: 'c0ffee',
      repository: { html_url: 'https://github.com/fleet/delays' },
      commits: [{ modified: ['train/model.py'], timestamp: '2026-01-01T00:00:00Z' }],
    };
    const pushed = await send(`${url}/events`, push, { 'x-github-event': 'push' });
    assert.equal(pushed.status, 202, JSON.stringify(pushed.body));
    const elsewhere = { ...push, commits: [{ modified: ['docs/index.md'] }] };
    const other = await send(`${url}/events`, elsewhere, { 'x-github-event': 'push' });
    assert.equal(other.body.disposition.status, 'ignored');
    await until(async () =>
      (await readLedger(place.store)).every(({ triggers }) => triggers.every((t) => t.length === 1)),
    );
    const filed = await readJson(place.store, 'events/tardy/code/1.json', LedgerEntry);
    assert.equal(filed?.value.trigger.kind, 'code');
    assert.match(
      filed.value.trigger.reason,
      /^com\.github\.push of https:\/\/github\.com\/fleet\/delays, main/,
    );
    await child.kill();
    await Promise.all(['tardy', 'early'].map((model) => entity(world, model).idle()));
  }));

test('a flood of events is a handful of triggers, and each event has its own disposition', () =>
  world.withWorker(activities, async () => {
    await listening('flooded');
    const { child, url } = await place.start();
    const ids = Array.from({ length: 2_000 }, (_, i) => `flood-${i}`);
    const answers = await Promise.all(ids.map((id) => tell(url, id)));
    assert(answers.every(({ status }) => status === 202));
    await until(async () => {
      const lines = (await readLedger(place.store)).filter(({ id }) => id.startsWith('flood-'));
      return (
        lines.length === 2_000 && lines.every(({ triggers }) => triggers.every((one) => one.length === 1))
      );
    });
    const lines = (await readLedger(place.store)).filter(({ id }) => id.startsWith('flood-'));
    const triggers = new Set(lines.flatMap((line) => line.triggers[line.to.indexOf('flooded/event')]!));
    assert(triggers.size <= 10, `${triggers.size} triggers`);
    await child.kill();
    await Promise.all(['flooded', 'tardy', 'early'].map((model) => entity(world, model).idle()));
  }));

test('killed between every two steps, it loses nothing and tells nothing twice', { timeout: 400_000 }, () =>
  world.withWorker(activities, async () => {
    await listening('killed');
    const acknowledged = new Set<string>();
    const points = ['accepting', 'accepted', 'claiming', 'claimed', 'triggered', 'disposed'];
    for (const [n, point] of points.entries()) {
      const id = `killed-${point}`;
      const doomed = await place.start({ env: { ESTEIRA_FAULT: `gateway:${point}:kill` } });
      // Whoever gets no answer sends again, as senders do.
      const first = await tell(doomed.url, id).catch(() => undefined);
      if (first?.status === 202) acknowledged.add(id);
      assert.equal((await doomed.child.exited).signal, 'SIGKILL', point);
      const { child, url } = await place.start();
      const again = await tell(url, id);
      assert.equal(again.status, point === 'accepting' ? 202 : 200, point);
      acknowledged.add(id);
      const { models } = await told(url, id);
      assert.equal(models.filter(({ model }) => model === 'killed').length, 1, point);
      const number = models.find(({ model }) => model === 'killed')!.trigger;
      assert.equal(number, `event/${n + 1}`, 'each was one trigger');
      await child.kill();
    }
    const lines = (await readLedger(place.store)).filter(({ id }) => id.startsWith('killed-'));
    assert.deepEqual(new Set(lines.map(({ id }) => id)), acknowledged);
    assert.equal(lines.length, points.length);
    for (const { triggers } of lines) assert(triggers.every((one) => one.length === 1));
    await Promise.all(['killed', 'flooded', 'tardy', 'early'].map((model) => entity(world, model).idle()));
  }),
);

test('what a gateway accepted while Temporal was away, another one drives', () =>
  world.withWorker(activities, async () => {
    const away = await place.start({ env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    // It knows listeners by the champions alone, and there are none: so they come from the ledger of the store.
    const health = await get(`${away.url}/health/ready`);
    assert.deepEqual(health.body, { ready: true, store: true, temporal: false });
    assert.equal((await get(`${away.url}/models/tardy`)).status, 503);
    await away.child.kill();
    const [one, two] = await Promise.all([place.start(), place.start()]);
    const answers = await Promise.all([
      ...Array.from({ length: 40 }, (_, i) => tell(one.url, `pair-${i}`)),
      ...Array.from({ length: 40 }, (_, i) => tell(two.url, `pair-${i}`)),
    ]);
    assert.equal(answers.filter(({ status }) => status === 202).length, 40, 'each once, between the two');
    assert(answers.every(({ status }) => status === 202 || status === 200));
    one.child.kill(0).catch(() => undefined);
    await until(async () =>
      (await readLedger(place.store)).every(({ triggers }) => triggers.every((t) => t.length === 1)),
    );
    await two.child.kill();
    await Promise.all(['killed', 'flooded', 'tardy', 'early'].map((model) => entity(world, model).idle()));
  }));

test('every run of this file replays', () => world.replayAll());
