/** Models, triggers and approvals by HTTP, as the command line does them, under the name that was proved. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sha256 } from '../../../infra/digest.ts';
import { entity, setup, trigger } from '../../support/entity.ts';
import { get, ledgered, makeGatewayPlace, send } from '../../support/gateway.ts';
import type { GatewayPlace, Started } from '../../support/gateway.ts';
import { until } from '../../support/until.ts';
import { openWorld } from '../../support/world.ts';
import type { World } from '../../support/world.ts';

let world: World;
let place: GatewayPlace;
let gateway: Started;
before(async () => {
  world = await openWorld();
  place = await makeGatewayPlace(world.env.address);
  const caller = (name: string, may: string) =>
    `  ${name}: { proof: { by: token, sha256: ${sha256(name)} }, may: [${may}] }\n`;
  const path = join(place.root, 'gateway.yaml');
  await writeFile(
    path,
    `callers:\n${caller('ana', 'read, trigger')}${caller('ada', 'read, approve')}${caller('bob', 'approve')}`,
  );
  gateway = await place.start({ args: ['--config', path] });
});
after(async () => {
  await gateway.child.kill();
  await place.remove();
  await world.close();
});

const as = (name: string) => ({ authorization: `Bearer ${name}` });

test('a model is asked for, and asked once under one Idempotency-Key', () =>
  world.withWorker(ledgered(world, place.store), async () => {
    const ask = (model: string, more = {}, body: unknown = { reason: 'new prices' }) =>
      send(`${gateway.url}/models/${model}/trigger`, body, { ...as('ana'), ...more });
    assert.deepEqual((await ask('nobody')).status, 404);
    const owner = entity(world, 'asked');
    await owner.ask(trigger({ at: '2001-01-01T00:00:00.000Z' }), setup('asked', { cooldownMs: 0 }));
    await owner.idle();
    const first = await ask('asked', { 'idempotency-key': 'k1' });
    assert.deepEqual(
      [first.status, first.body.disposition.status],
      [202, 'started'],
      JSON.stringify(first.body),
    );
    const again = await ask('asked', { 'idempotency-key': 'k1' });
    assert.deepEqual(again.body, first.body);
    await owner.idle();
    const { body } = await get(`${gateway.url}/models/asked`, as('ana'));
    assert.deepEqual([body.model, body.lifecycles, body.versions.length], ['asked', 2, 2]);
    assert.match((await ask('asked', {}, { reason: ' ' })).body.error, /reason: must say why/);
    assert.match((await ask('asked', {}, { reason: 'x', colour: 1 })).body.error, /colour/);
    assert.equal((await ask('asked', as('ada'))).status, 403);
    assert.equal((await get(`${gateway.url}/models/nobody`, as('ana'))).status, 404);
  }));

test('a request is decided under the name of the token, by whom the policy asks, once', () =>
  world.withWorker(ledgered(world, place.store), async () => {
    const people = {
      policy: 'people' as const,
      need: { risk: 1 },
      people: { risk: ['ada'] },
      deadline: '1h',
    };
    const policy = { ...people, requesterMayApprove: false, autoForRetrain: false };
    const owner = entity(world, 'judged');
    await owner.ask(trigger(), setup('judged', { policy }));
    const waiting = async () =>
      (await get(`${gateway.url}/approvals`, as('ada'))).body.approvals.length === 1;
    await until(waiting);
    const state = await get(`${gateway.url}/approvals/judged/1`, as('ada'));
    assert.equal(state.body.status, 'pending');
    const decide = (name: string, verb: string) =>
      send(`${gateway.url}/approvals/judged/1/${verb}`, { reason: 'read the report' }, as(name));
    const stranger = await decide('bob', 'approve');
    assert.deepEqual(
      [stranger.status, stranger.body.code],
      [403, 'not-an-approver'],
      JSON.stringify(stranger.body),
    );
    assert.equal((await decide('ana', 'approve')).status, 403);
    const receipt = await decide('ada', 'approve');
    assert.deepEqual([receipt.status, receipt.body.verdict], [200, 'approved']);
    await owner.idle();
    const late = await decide('ada', 'reject');
    assert.deepEqual([late.status, late.body.code], [409, 'closed']);
    assert.equal((await get(`${gateway.url}/approvals/judged/9`, as('ada'))).status, 404);
  }));

test('every run of this file replays', () => world.replayAll());
