/** Strategies of a rollout, what people may say to it, and how it goes on for weeks. Stages are stand-ins. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Observation, Step } from '../../contracts/rollout.ts';
import {
  pauseUpdate,
  releaseUpdate,
  requestPromotionUpdate,
  resumeUpdate,
  rolloutQuery,
} from '../../workflows/messages.ts';
import { aloneIn, canary, challengedIn, long, looksLike, shadow, trial } from '../support/challenged.ts';
import type { Alone, Observe, Town } from '../support/challenged.ts';
import { entity as entityOf } from '../support/entity.ts';
import { openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const challenged = (name: string, steps: Step[], act: (town: Town) => Promise<void>, look?: Observe) =>
  challengedIn(world, name, steps, act, look);
const looks = (look: () => Partial<Observation>) => looksLike(world, look);
const alone = (name: string, steps: Step[], act: (run: Alone) => Promise<void>) =>
  aloneIn(world, name, steps, act);

const slotsOf = (model: string) =>
  world.told.slots
    .filter((one) => one.model === model && one.challenger?.version === 2)
    .map((one) => one.challenger!);

test('shadow-then-canary: unseen first, then share by share, and all that was seen is filed', () =>
  challenged('unseen', [shadow(40), canary(40), canary(40, 0.5)], async ({ ended, describe }) => {
    assert.equal((await ended()).status, 'deployed');
    assert.equal((await describe()).slots?.champion?.version, 2);
    assert.deepEqual(
      slotsOf('unseen').map(({ share, shadow: beside }) => [share, beside]),
      [[0, undefined], [0, 0.5], [0.1, undefined], [0.5, undefined]], // prettier-ignore
    );
    const filed = world.told.rollouts.find((one) => one.model === 'unseen' && one.version === 2)!;
    assert.equal(filed.outcome.status, 'promoted');
    assert.equal(filed.outcome.steps.length, 3);
    assert.equal(filed.champion, 1);
  }));

test('all-at-once: all of the traffic in one step, and back again when it looks bad', () =>
  challenged(
    'at-once',
    [{ mode: 'all-at-once', share: 1, bakeMs: 40 }],
    async ({ ended, describe }) => {
      assert.equal((await ended()).status, 'rolled-back');
      const { slots, versions } = await describe();
      assert.equal(slots?.champion?.version, 1);
      assert.match(versions[1]!.quarantined!, /it fails; seen: errors 5 % \(at most 1 %; 200 requests\)/);
    },
    looks(() => ({
      ...{ healthy: false, reason: 'it fails' },
      guards: [{ guard: 'errors', value: 0.05, limit: 0.01, bound: 'max', rows: 200, passed: false }],
    })),
  ));

test('ab: a winner is promoted at once, a loser barred, and a tie goes as the project says', async () => {
  const cases: {
    name: string;
    tie: 'champion' | 'challenger';
    look: Partial<Observation>;
    ends: string;
    barred: string | null;
  }[] = [
    { name: 'winner', tie: 'champion', look: { winner: 'challenger' }, ends: 'deployed', barred: null },
    {
      ...{ name: 'loser', tie: 'challenger', look: { winner: 'champion', healthy: false, reason: 'worse' } },
      ...{ ends: 'rolled-back', barred: 'worse' },
    },
    { name: 'tied', tie: 'champion', look: { winner: null }, ends: 'taken-back', barred: null },
    { name: 'tied-up', tie: 'challenger', look: { winner: null }, ends: 'deployed', barred: null },
  ];
  for (const { name, tie, look, ends, barred } of cases)
    await challenged(
      name,
      [trial(60, tie)],
      async ({ ended, describe }) => {
        assert.equal((await ended()).status, ends, name);
        assert.equal((await describe()).versions[1]!.quarantined, barred, name);
      },
      looks(() => look),
    );
});

test('a pause stops the bake and not the looks; resumed it goes on to the end', () => {
  let seen = 0;
  return challenged(
    'patient',
    [canary(400)],
    async ({ ended, say, view, serves }) => {
      await serves({ share: 0.1 });
      assert.equal((await say('pause')).accepted, true);
      const again = await say('pause');
      assert.deepEqual([again.accepted, !again.accepted && again.code], [false, 'already']);
      const [before, { leftMs }] = [seen, await view()];
      await until(async () => seen > before + 5); // more looks than the whole bake has
      const paused = await view();
      assert.deepEqual([paused.paused, paused.leftMs, paused.outcome], [true, leftMs, null]);
      assert.equal((await say('resume')).accepted, true);
      assert.equal((await ended()).status, 'deployed');
      const { acts } = await view();
      assert.deepEqual(
        acts.map(({ act, by, reason }) => [act, by, reason]),
        [['pause', 'ana', 'a drill'], ['resume', 'ana', 'a drill']], // prettier-ignore
      );
      const late = await say('abort').catch(() => undefined); // nobody is there to hear it
      assert(!late?.accepted);
    },
    looks(() => (seen++, {})),
  );
});

test('a bad signal takes a paused version back', () => {
  let bad = false;
  return challenged(
    'watched',
    [canary(400)],
    async ({ ended, say, serves }) => {
      await serves({ share: 0.1 });
      await say('pause');
      bad = true;
      assert.equal((await ended()).status, 'rolled-back');
    },
    looks(() => (bad ? { healthy: false, reason: 'it fails' } : {})),
  );
});

test('promote skips the bakes that are left, with who and why in the slots', () =>
  challenged('hasty', [shadow(long), canary(long)], async ({ ended, say, serves, describe }) => {
    await serves({ share: 0, shadow: 0.5 });
    assert.equal((await say('promote')).accepted, true);
    assert.equal((await ended()).status, 'deployed');
    assert.equal((await describe()).slots?.reason, 'ana promoted it: a drill');
  }));

test('abort takes it back, and bars it only if told so', async () => {
  for (const quarantine of [false, true])
    await challenged(
      quarantine ? 'barred' : 'let-go',
      [canary(long)],
      async ({ ended, say, serves, describe }) => {
        await serves({ share: 0.1 });
        assert.equal((await say('abort', { quarantine })).accepted, true);
        assert.equal((await ended()).status, quarantine ? 'rolled-back' : 'taken-back');
        const { versions } = await describe();
        assert.match(versions[1]!.quarantined ?? 'free', quarantine ? /^ana aborted it: a drill/ : /^free$/);
      },
    );
});

test('what is malformed is refused before it leaves a trace', () =>
  challenged('strict', [canary(long)], async ({ say, serves, ended, view }) => {
    await serves({ share: 0.1 });
    await assert.rejects(say('pause', { by: '' } as object));
    await assert.rejects(say('abort', { quarantine: 'yes' } as object));
    assert.deepEqual((await view()).acts, []);
    await say('abort');
    await ended();
  }));

test('a rollback by a person overtakes each state: shadow, paused, ab', async () => {
  const states: [string, Step, { share: number; shadow?: number }, boolean][] = [
    ['over-shadow', shadow(long), { share: 0, shadow: 0.5 }, false],
    ['over-paused', canary(long), { share: 0.1 }, true],
    ['over-ab', trial(long, 'challenger'), { share: 0.5 }, false],
    ['over-all', { mode: 'all-at-once', share: 1, bakeMs: long }, { share: 1 }, false],
  ];
  for (const [name, step, slot, pauses] of states)
    await challenged(name, [step], async ({ serves, say, rollback, ended, describe }) => {
      await serves(slot);
      if (pauses) await say('pause');
      const { epoch } = (await describe()).slots!;
      assert.deepEqual(await rollback(), { accepted: true, epoch: epoch + 1, version: 1 });
      assert.equal((await ended()).status, 'superseded');
      const { slots, versions } = await describe();
      assert.equal(slots?.champion?.version, 1);
      assert.match(versions[1]!.quarantined!, /rolled back: pages are red/);
    });
});

test('a released version may ask again, and says who let it go; one that is free is not released', () =>
  challenged('pardoned', [canary(long)], async ({ serves, rollback, ended, describe }) => {
    await serves({ share: 0.1 });
    await rollback();
    await ended();
    const { handle } = entityOf(world, 'pardoned');
    const release = () =>
      handle.executeUpdate(releaseUpdate, { args: [{ version: 2, by: 'ana', reason: 'the data was bad' }] });
    assert.deepEqual(await release(), { accepted: true, version: 2 });
    assert.equal((await describe()).versions[1]!.quarantined, null);
    const again = await release();
    assert.equal(!again.accepted && again.code, 'not-quarantined');
    const lifecycleId = 'lifecycle/pardoned/2';
    const asked = await handle.executeUpdate(requestPromotionUpdate, { args: [{ version: 2, lifecycleId }] });
    assert.equal(asked.accepted, true);
  }));

test('weeks of looks go on as new, and neither slot, clock, pause nor evidence is lost', () =>
  alone('ageless', [canary(500), canary(500, 0.5)], async ({ run, runs, shifts }) => {
    await until(async () => shifts.length === 2);
    await run.executeUpdate(pauseUpdate, { args: [{ by: 'ana', reason: 'a drill' }] });
    const before = (await runs()).length;
    await until(async () => (await runs()).length > before + 1);
    const { paused, acts } = await run.query(rolloutQuery);
    assert.deepEqual([paused, acts.length], [true, 1]);
    await run.executeUpdate(resumeUpdate, { args: [{ by: 'ana', reason: 'go on' }] });
    const { status, steps } = await run.result();
    assert.deepEqual([status, steps.length], ['promoted', 2]);
    assert((await runs()).every((length) => length < 90));
    assert.deepEqual(shifts, ['challenger 0', 'challenger 0.1', 'challenger 0.5', 'champion 0'], 'each once');
  }));

test('one that has gone on as new gives its slot back when it is cancelled', () =>
  alone('cut', [canary(400)], async ({ run, runs, shifts }) => {
    await until(async () => shifts.length === 2);
    await run.executeUpdate(pauseUpdate, { args: [{ by: 'ana', reason: 'a drill' }] });
    await until(async () => (await runs()).length > 1);
    await run.cancel();
    await assert.rejects(run.result());
    assert.deepEqual(shifts.slice(2), ['none 0']);
  }));

test('replay: this code retells every run of this file', () => world.replayAll());
