/**
 * The checker checked: a healthy run has no breach; and whatever is broken in its evidence, or in the place itself,
 * is found under its own number.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { check } from './checker/check.ts';
import type { Evidence } from './checker/evidence.ts';
import { gather } from './checker/gather.ts';
import type { Place } from './checker/gather.ts';
import { damages } from './checker/planted/damages.ts';
import { live } from './checker/planted/life.ts';
import { plants } from './checker/planted/plants.ts';
import { table } from './checker/table.ts';

let belt: Belt;
let place: Place;
let healthy: Evidence;

before(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  belt = await openBelt();
  place = await live(belt);
  healthy = await gather(place);
});
after(() => belt.close());

test('a healthy run has no breach', () => {
  assert.deepEqual(check(healthy), []);
});

test('the evidence is not empty where the checker looks', () => {
  const { runs, predictions, labels, landed, replays, entities, left } = healthy;
  assert.deepEqual(
    new Set(runs.map(({ type }) => type)),
    new Set(['model', 'lifecycle', 'approval', 'rollout', 'monitor', 'alerts']),
  );
  assert.equal(replays.length, runs.length);
  assert.deepEqual(Object.keys(entities).toSorted(), ['alone', 'asks']);
  assert(
    predictions.some(({ route }) => route === 'challenger'),
    'the canary was asked',
  );
  assert(predictions.every(({ asked, answered }) => asked && answered));
  assert(labels.length > 0);
  assert(labels.every(({ label }) => label !== undefined) && landed.length > 0);
  assert.deepEqual(left.journals, []);
});

for (const { invariant, what, plant } of plants) {
  test(`${invariant}: ${what}`, () => {
    const evidence = structuredClone(healthy);
    plant(evidence);
    const breaches = check(evidence);
    const found = breaches.filter((one) => one.invariant === invariant);
    assert(found.length > 0, `not found; instead: ${JSON.stringify(breaches)}`);
    for (const { claim, evidence: shown } of found)
      assert(claim.length > 15 && !/undefined|NaN|\[object/.test(claim), `${claim}: ${shown}`);
  });
}

test('what is broken in the place itself is found when it is gathered', { timeout: 480_000 }, async () => {
  for (const { damage } of damages) await damage(belt, place);
  const orphan = spawn('sleep', ['60'], { env: { ESTEIRA_HOME: belt.home } });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const breaches = check(await gather({ ...place, canaries: ['cobalt77'], ports: [port] }));
  orphan.kill();
  server.close();
  for (const { invariant, what, claim } of damages) {
    const found = breaches.some((one) => one.invariant === invariant && claim.test(one.claim));
    assert(
      found,
      `${invariant} ${what}: not among ${breaches.map((one) => `${one.invariant} ${one.claim}`).join('\n')}`,
    );
  }
});

test('the table counts what was done, what was promised, and what was broken', () => {
  const text = table(healthy, []);
  assert.match(text, /faults\n {2}kill +1\n/);
  assert.match(text, /prediction +\d+\n/);
  for (let n = 1; n <= 16; n++) assert.match(text, new RegExp(`I${n} +[a-z].* 0\n`));
  const broken = { invariant: 'I3', claim: 'the bytes differ', evidence: 'a, b' } as const;
  assert.match(table(healthy, [broken]), /I3 .* 1\n[^]*I3: the bytes differ\n {4}a, b/);
});
