/** Replicas that are restarted one after the other, as a rollout of a new release does: nobody who asks may notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { balance, press } from '../support/pressure.ts';
import { inferBody, makePlace } from '../support/server.ts';
import { until } from '../support/until.ts';

/** 20 and more were tried by `npm run bench -- rolling`. */
const restarts = Number(process.env['RESTARTS'] ?? 4);

test('rolling restarts under load fail no request', { timeout: 600_000 }, async () => {
  const place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  const replicas = [await place.start('one'), await place.start('two')];
  const balancer = balance(replicas);
  const pressure = press(8, JSON.stringify(inferBody(1)), () => {
    const url = balancer.next();
    return url && `${url}/v2/models/flights/infer`;
  });
  for (let i = 0; i < restarts; i++) {
    const at = i % 2;
    const old = replicas[at]!;
    await until(async () => balancer.ready === 2);
    await old.child.kill(30_000);
    assert.deepEqual(await old.child.exited, { code: 0, signal: null }, old.log.join('\n'));
    replicas[at] = await place.start(at === 0 ? 'one' : 'two');
    const answered = pressure.answered;
    await until(async () => pressure.answered > answered + 200);
  }
  await balancer.stop();
  await pressure.stop();
  const ids = pressure.answered;
  for (const { child } of replicas) await child.kill(30_000);
  assert.deepEqual(pressure.failures, []);
  assert.equal((await place.stored('predictions/')).length, ids, 'each answer is in the store once');
  await place.remove();
});
