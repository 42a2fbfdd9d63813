/** What the gateway stands on goes away and comes back: nothing acknowledged is lost, and nothing is answered for good in ignorance. */
import assert from 'node:assert/strict';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AllActivities } from '../../../contracts/activities.ts';
import { entity, setup, trigger } from '../../support/entity.ts';
import { get, ledgered, makeGatewayPlace, pinned, readLedger, send, tell } from '../../support/gateway.ts';
import type { Answer, GatewayPlace } from '../../support/gateway.ts';
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

/** A model that was run once, serves nothing, and listens: only its entity knows to what. */
async function listening(model: string): Promise<void> {
  const project = await pinned(place.store, model, { rules: [{ on: 'event', type: `${model}.*` }] });
  const owner = entity(world, model);
  await owner.ask(trigger({ at: '2001-01-01T00:00:00.000Z' }), setup(model, { project, cooldownMs: 0 }));
  await owner.idle();
}

async function dispositionOf(url: string, id: string): Promise<{ status: string; models?: unknown[] }> {
  let found: { status: string } | null = null;
  await until(async () => {
    const { body } = await get(`${url}/events?source=plant&id=${id}`);
    found = body.disposition;
    return found !== null;
  });
  return found as unknown as { status: string; models?: unknown[] };
}

test(
  'while Temporal is away events are taken and wait, those of models that nobody could ask for, too',
  { timeout: 240_000 },
  () =>
    world.withWorker(activities, async () => {
      await listening('shift');
      const old = await place.start();
      const [young, ids] = await world.withoutServer(async () => {
        const started = await place.start();
        const answers = await Promise.all([
          tell(old.url, 'known', { type: 'shift.ended' }),
          tell(started.url, 'only-later-known', { type: 'shift.ended' }),
          tell(started.url, 'for-nobody', { type: 'lunch' }),
        ]);
        for (const { status, body } of answers)
          assert.deepEqual([status, body.disposition], [202, null], JSON.stringify(body));
        const again = await tell(started.url, 'for-nobody', { type: 'lunch' });
        assert.deepEqual([again.status, again.body.disposition], [200, null]);
        assert.equal((await tell(old.url, 'known', { type: 'shift.began' })).status, 409);
        const { body } = await get(`${started.url}/metrics`);
        assert.match(body, /esteira_gateway_waiting_events [1-9]/, 'what waits is counted');
        const unheard = await tell(old.url, 'elsewhere', { type: 'lunch' });
        assert.equal(unheard.body.disposition.status, 'ignored', 'who knows the listeners, says so at once');
        return [started, answers.map(({ body: one }) => one.id as string)] as const;
      });
      for (const { url } of [old, young]) {
        assert.equal((await dispositionOf(url, 'known')).models?.length, 1);
        assert.equal((await dispositionOf(url, 'only-later-known')).models?.length, 1);
        assert.equal((await dispositionOf(url, 'for-nobody')).status, 'ignored');
      }
      const lines = (await readLedger(place.store)).filter(({ id }) => ids.includes(id));
      assert.equal(lines.length, 3);
      for (const { triggers } of lines) assert(triggers.every((one) => one.length === 1));
      await Promise.all([old.child.kill(), young.child.kill()]);
      await entity(world, 'shift').idle();
    }),
);

test('a gateway that is ended before it knew who listens leaves it to the next', { timeout: 240_000 }, () =>
  world.withWorker(activities, async () => {
    await listening('night');
    const away = await place.start({ env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    assert.equal((await tell(away.url, 'left', { type: 'night.ended' })).body.disposition, null);
    await away.child.kill();
    const { child, url } = await place.start();
    assert.equal((await dispositionOf(url, 'left')).models?.length, 1);
    await child.kill();
    await Promise.all(['shift', 'night'].map((model) => entity(world, model).idle()));
  }),
);

test('while the store is away nothing is acknowledged, and senders are told to come again', async () => {
  const { child, url } = await place.start();
  const folder = fileURLToPath(place.store.uri);
  const rows = (id: string) =>
    send(`${url}/data/heat`, [{ id, heat: 1 }], { 'idempotency-key': `push-${id}` });
  assert.equal((await tell(url, 'before')).status, 202);
  assert.equal((await rows('before')).status, 202);
  await rename(folder, `${folder}.away`);
  await writeFile(folder, 'no folder');
  const refused = await Promise.all([tell(url, 'meanwhile'), tell(url, 'second'), rows('meanwhile')]);
  const sayAgain = ({ status, headers }: Answer) => [status, headers.get('retry-after')];
  for (const answer of refused) assert.deepEqual(sayAgain(answer), [503, '1']);
  assert.equal((await get(`${url}/health/ready`)).status, 503);
  assert.equal((await get(`${url}/health/live`)).status, 200);
  await rm(folder);
  await rename(`${folder}.away`, folder);
  assert.equal((await get(`${url}/health/ready`)).status, 200);
  assert.deepEqual(
    (await Promise.all(['before', 'meanwhile', 'second'].map((id) => tell(url, id)))).map(
      ({ status }) => status,
    ),
    [200, 202, 202],
  );
  assert.deepEqual(
    (await Promise.all(['before', 'meanwhile', 'meanwhile'].map(rows))).map(({ status }) => status)[0],
    200,
  );
  await child.kill();
  const next = await place.start();
  for (const id of ['before', 'meanwhile', 'second']) assert.equal((await tell(next.url, id)).status, 200);
  await next.child.kill();
  const ids = (await readLedger(place.store)).map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const landed: string[] = [];
  for await (const { key } of place.store.list('landing/heat/')) landed.push(key);
  assert.equal(landed.length, 2, join(...landed));
});

test('what a killed gateway has left on the disk and in the store, the next one clears away', async () => {
  const folders = [join(place.root, 'gateway'), join(fileURLToPath(place.store.uri), '.tmp')];
  const left = async () =>
    (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).map((names) =>
      names.some((name) => name.startsWith('~')),
    );
  for (const [point, debris] of [
    ['gateway:packed', [true, false]],
    ['store:staged', [true, true]],
  ] as const) {
    const { child, url } = await place.start({ env: { ESTEIRA_FAULT: `${point}:kill` } });
    await send(`${url}/data/debris`, [{ id: point }]).catch(() => undefined);
    assert.equal((await child.exited).signal, 'SIGKILL');
    assert.deepEqual(await left(), debris, point);
    const next = await place.start();
    assert.deepEqual(await left(), [false, false], point);
    await next.child.kill();
  }
});

test('every run of this file replays', () => world.replayAll());
