/** A model whose server lost its state goes on from the store: no number, no epoch is given twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeQuarantine } from '../../../activities/deploy/bars.ts';
import { recall } from '../../../activities/deploy/recall.ts';
import { writeVersion } from '../../../activities/deploy/slots.ts';
import { Slots } from '../../../contracts/serving.ts';
import { createJson, readJson } from '../../../infra/store/json.ts';
import { serve } from '../../support/served.ts';
import { january, openBench, project } from '../../support/stage.ts';

test('an unknown model is remembered as nothing', async () => {
  const bench = await openBench();
  assert.deepEqual(await recall({ store: bench.store, findLifecycle: async () => null }, 'm'), {
    lifecycles: 0,
    versions: [],
    nextVersion: 1,
    slots: null,
    inFlight: null,
    waiting: [],
    setup: null,
  });
  await bench.close();
});

test('versions, slots, quarantine and the last lifecycle come back', async () => {
  const bench = await openBench();
  await serve(bench);
  const slots = (await readJson(bench.store, 'models/m/current.json', Slots))!.value;
  const made = slots.champion!.package;
  const digest = 'a'.repeat(64);
  const subject = {
    model: 'm',
    modelDigest: digest,
    datasetDigest: digest,
    scorecardDigest: digest,
    policyDigest: digest,
  };
  for (const version of [1, 2]) {
    const lifecycleId = `lifecycle/m/${version}`;
    await writeVersion(bench.store, {
      ...{ model: 'm', version, package: made, lifecycleId, registeredAt: january.until },
      verdict: {
        requestId: `m/${version}`,
        status: 'approved',
        policy: 'auto',
        decisions: [],
        subject,
        at: january.until,
      },
    });
    await createJson(bench.store, `runs/${lifecycleId}/ingest/record.json`, {});
  }
  await createJson(bench.store, 'runs/lifecycle/m/11/ingest/record.json', {});
  await writeQuarantine(bench.store, { model: 'm', version: 2, by: 'rollout', reason: 'it disagrees' });
  const recalled = await recall({ store: bench.store, findLifecycle: async () => null }, 'm');
  assert.deepEqual([recalled.nextVersion, recalled.lifecycles], [3, 11]);
  assert.deepEqual(recalled.slots, slots);
  assert.deepEqual(
    recalled.versions.map(({ version, quarantined }) => [version, quarantined]),
    [
      [1, null],
      [2, 'it disagrees'],
    ],
  );
  await bench.close();
});

test('a run that goes on and triggers that wait are found again, by the server and by the ledger', async () => {
  const bench = await openBench();
  const pinned = await bench.pin(project({ window: '7d' }));
  const trigger = (id: string) => ({ id, kind: 'manual' as const, by: 'ana', reason: id, at: january.until });
  const file = (id: string, disposition: object) =>
    createJson(bench.store, `events/m/${id}.json`, { trigger: trigger(id), disposition });
  await file('first', { status: 'started', lifecycleId: 'lifecycle/m/1' });
  await file('carried', { status: 'merged', behind: 'lifecycle/m/1' });
  await file('waits', { status: 'merged', behind: 'lifecycle/m/2' });
  const findLifecycle = async (id: string) =>
    ['lifecycle/m/1', 'lifecycle/m/2'].includes(id)
      ? { trigger: trigger('carried'), project: pinned, running: id.endsWith('2') }
      : null;
  const found = await recall({ store: bench.store, findLifecycle }, 'm');
  assert.equal(found.lifecycles, 2);
  assert.deepEqual(found.inFlight, { lifecycleId: 'lifecycle/m/2', trigger: trigger('carried') });
  assert.deepEqual(found.waiting, [trigger('waits')]);
  assert.equal(found.setup?.windowMs, 7 * 86_400_000, 'before there is any version');
  await bench.close();
});
