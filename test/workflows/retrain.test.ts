/** The retrain controller on a real server: what waits, what is only suggested, and what is not tried again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AllActivities } from '../../contracts/activities.ts';
import type { LifecyclePlan } from '../../contracts/lifecycle.ts';
import type { RetrainPolicy } from '../../contracts/retrain.ts';
import { cooldownOf, quietUntil, windowStart } from '../../workflows/retrain.ts';
import { day, entity as entityOf, setup, trigger } from '../support/entity.ts';
import { openWorld, scorecard } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

const policy: RetrainPolicy = {
  ...{ mode: 'auto', debounceMs: 0, quiet: [], budget: {}, window: 'sliding', mustBeat: true },
  fruitlessAtMost: 2,
};
const retrained = (name: string, change: Partial<RetrainPolicy>) =>
  setup(name, { cooldownMs: 0, retrain: { ...policy, ...change } });
const withWorker = (change: Partial<AllActivities>, act: () => Promise<void>) =>
  world.withWorker({ ...world.agreeable(), ...change }, act);

async function planOf(lifecycleId: string): Promise<LifecyclePlan> {
  const { events } = await world.env.client.workflow.getHandle(lifecycleId).fetchHistory();
  const payload = events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads![0]!;
  return JSON.parse(Buffer.from(payload.data!).toString()) as LifecyclePlan;
}

test('the first reason waits for more, and one lifecycle carries them all', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, idle } = entityOf(world, 'patient');
    await outcome(await ask(trigger(), retrained('patient', { debounceMs: 2_000 })));
    await idle();
    const first = await ask(trigger({ kind: 'drift', at: day(3), reason: 'drift of x' }));
    assert.equal(first.status, 'waiting');
    const second = await ask(trigger({ kind: 'event', at: day(4), reason: 'new rows' }));
    assert.deepEqual(second, { ...first }, 'the second waits as long as the first');
    await until(async () => (await describe()).lifecycles === 2);
    const { trigger: asked, mustBeat } = await planOf('lifecycle/patient/2');
    assert.equal(asked.reason, 'drift of x; new rows');
    assert.equal(mustBeat, true);
    await idle();
    assert.equal((await describe()).lifecycles, 2);
  }));

test('who does not want to wait takes along what waits', () =>
  withWorker({}, async () => {
    const { ask, outcome, describe, idle } = entityOf(world, 'eager');
    await outcome(await ask(trigger(), retrained('eager', { debounceMs: 3_600_000 })));
    await idle();
    await ask(trigger({ kind: 'drift', at: day(3), reason: 'drift of x' }));
    assert.match((await describe()).waitsFor, /to run for drift of x$/);
    await outcome(await ask(trigger({ at: day(4), reason: 'now' })));
    await idle();
    const { lifecycles, pending } = await describe();
    assert.deepEqual([lifecycles, pending], [2, null]);
    assert.equal((await planOf('lifecycle/eager/2')).trigger.reason, 'drift of x; now');
    assert.equal((await planOf('lifecycle/eager/2')).mustBeat, undefined);
  }));

test('a suggestion starts nothing, and a spent budget neither', () =>
  withWorker({ spent: async () => ({ runs: 5, seconds: 10, money: 0 }) }, async () => {
    const { ask, outcome, describe, idle } = entityOf(world, 'modest');
    await outcome(await ask(trigger(), retrained('modest', { mode: 'suggest' })));
    await idle();
    assert.equal((await ask(trigger({ kind: 'drift', at: day(3) }))).status, 'suggested');
    await outcome(
      await ask(trigger({ at: day(4) }), retrained('modest', { budget: { runs: 5, seconds: 99 } })),
    );
    await idle();
    const refused = await ask(trigger({ kind: 'drift', at: day(9) }));
    assert.equal(refused.status === 'ignored' && refused.code, 'budget');
    assert.match(
      (refused as { why: string }).why,
      /^the month's budget is spent: 5 runs of 5 since \d{4}-\d\d-01$/,
    );
    assert.equal((await describe()).lifecycles, 2);
  }));

test('what ships nothing again and again is tried more and more seldom, until something is shipped', () => {
  const missed = { ...scorecard, passed: false, gates: [{ ...scorecard.gates[0]!, passed: false }] };
  let good = true;
  return withWorker({ evaluate: async () => (good ? scorecard : missed) }, async () => {
    const { ask, outcome, describe, idle } = entityOf(world, 'vain');
    await outcome(await ask(trigger({ at: day(1) }), retrained('vain', {})));
    good = false;
    for (const n of [2, 3]) {
      await idle();
      await outcome(await ask(trigger({ kind: 'drift', at: day(n) })));
    }
    await until(async () => (await describe()).fruitless === 2);
    const soon = await ask(trigger({ kind: 'drift', at: day(3) }));
    assert.equal(soon.status === 'ignored' && soon.code, 'back-off');
    assert.match(
      (soon as { why: string }).why,
      /^2 retrainings in a row shipped nothing: the next not before/,
    );
    good = true;
    await outcome(await ask(trigger({ kind: 'drift', at: day(4) })));
    await until(async () => (await describe()).fruitless === 0);
  });
});

test('hours: quiet ones go over midnight, follow upon each other, and belong to the day they begin on', () => {
  const at = (text: string) => Date.parse(`2026-11-${text}:00.000Z`);
  const night = { from: 22 * 60, until: 6 * 60 };
  assert.equal(quietUntil(at('28T23:10'), [night]), at('29T06:00'));
  assert.equal(quietUntil(at('28T03:00'), [night]), at('28T06:00'));
  assert.equal(quietUntil(at('28T12:00'), [night]), at('28T12:00'));
  const morning = { from: 6 * 60, until: 9 * 60 };
  assert.equal(quietUntil(at('28T23:10'), [night, morning]), at('29T09:00'));
  const friday = { ...night, days: [5] }; // the 27th is one
  assert.equal(quietUntil(at('28T03:00'), [friday]), at('28T06:00'));
  assert.equal(quietUntil(at('28T23:00'), [friday]), at('28T23:00'));
});

test('the data of a retraining: as long as the project says, or all, or since the change', () => {
  const asked = trigger({ kind: 'drift', at: day(60) });
  const from = (window: RetrainPolicy['window'], since?: string, first?: string) =>
    windowStart({ ...asked, ...(since && { since }) }, retrained('m', { window }), first);
  assert.equal(from('sliding'), day(29));
  assert.equal(from('expanding', undefined, day(-10)), day(-10));
  assert.equal(from('since-change', day(50)), day(50));
  assert.equal(from('since-change', day(59)), day(29), 'too little to learn from');
  assert.equal(from('since-change'), day(29));
});

test('the wait doubles, and has an end', () => {
  const hour = 3_600_000;
  const one = { ...retrained('m', {}), cooldownMs: 24 * hour };
  assert.deepEqual(
    [0, 1, 2, 3, 20].map((tries) => cooldownOf(one, tries) / hour),
    [24, 24, 48, 96, 60 * 24],
  );
});

test('every run of this file replays', () => world.replayAll());
