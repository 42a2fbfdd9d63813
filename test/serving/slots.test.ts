/** Slots on a running server: swaps under load, versions that cannot be loaded, challengers beside the champion. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ReplicaStatus } from '../../contracts/serving.ts';
import { readJson } from '../../infra/store/json.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { until } from '../support/until.ts';

let place: Place;
let server: Awaited<ReturnType<Place['start']>>;
let infer: string;
before(async () => {
  place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  server = await place.start();
  infer = `${server.url}/v2/models/flights/infer`;
});
after(async () => {
  await server.child.kill();
  await place.remove();
});

const report = async () =>
  (await readJson(place.store, 'replicas/one.json', ReplicaStatus))?.value.models['flights'];
const reached = (epoch: number) => until(async () => (await report())?.epoch === epoch);

test(
  'ten swaps under load fail no request, and each answer is of one version',
  { timeout: 480_000 },
  async () => {
    const versions = [await publishVersion(place.store, 2, 2), await publishVersion(place.store, 3, 3)];
    const done = new AbortController();
    const seen = new Set<string>();
    const expected: Record<string, number> = { 1: 1.5, 2: 2, 3: 2.5 };
    const client = async () => {
      while (!done.signal.aborted) {
        const { status, body } = await post(infer, inferBody(2));
        assert.equal(status, 200, JSON.stringify(body));
        seen.add(body.model_version);
        const probability = 1 / (1 + Math.exp(-expected[body.model_version]!));
        for (const value of body.outputs[0].data) assert(Math.abs(value - probability) < 1e-5);
      }
    };
    const load = Promise.all(Array.from({ length: 8 }, client));
    for (let i = 0; i < 10; i++) {
      await Promise.race([load, reached(await publishSlots(place.store, { champion: versions[i % 2]! }))]);
    }
    done.abort();
    await load;
    assert.deepEqual([...seen].toSorted(), ['1', '2', '3']);
  },
);

test(
  'a version that breaks its golden batch leaves the old one serving, and is told',
  { timeout: 160_000 },
  async () => {
    const before = await report();
    const epoch = await publishSlots(place.store, {
      champion: await publishVersion(place.store, 4, 4, true),
    });
    await until(async () => ((await report())?.failed.length ?? 0) > 0);
    const now = await report();
    assert.equal(now?.epoch, before?.epoch);
    assert.deepEqual(
      now?.failed.map(({ version }) => version),
      [4],
    );
    assert.equal(now?.failed[0]?.epoch, epoch);
    assert.match(now?.failed[0]?.reason ?? '', /golden row 0 gives/);
    assert.equal((await post(infer, inferBody(1))).status, 200);
  },
);

test(
  'a challenger gets its share by key, and is compared with the champion',
  { timeout: 160_000 },
  async () => {
    const champion = await publishVersion(place.store, 5, 1);
    const challenger = { ...(await publishVersion(place.store, 6, 2)), share: 0.5 };
    await reached(await publishSlots(place.store, { champion, challenger }));
    assert.deepEqual((await report())?.failed, []);
    const answers: string[] = [];
    for (let i = 0; i < 100; i++) {
      const body = inferBody(1, { parameters: { key: `user-${i}` } });
      body.inputs[0]!.data = [i / 10];
      answers.push((await post(infer, body)).body.model_version);
    }
    const again = await post(infer, inferBody(1, { parameters: { key: 'user-0' } }));
    assert.equal(again.body.model_version, answers[0]);
    const went = answers.filter((version) => version === '6').length;
    assert(went > 30 && went < 70, `${went} of 100`);
    await until(
      async () =>
        (await report())?.counters.find(({ version }) => version === 6)?.agreement.n ===
        went + (answers[0] === '6' ? 1 : 0),
    );
    const counters = (await report())?.counters.find(({ version }) => version === 6);
    assert(counters && counters.agreement.xy > 0 && counters.agreement.xx > 0 && counters.errors === 0);
    assert.equal(
      counters.latency.reduce((sum, count) => sum + count, 0),
      counters.requests,
    );
    const direct = await post(`${server.url}/v2/models/flights/versions/5/infer`, inferBody(1));
    assert.equal(direct.body.model_version, '5');
  },
);

test(
  'a challenger in shadow answers nobody, and its answers stand beside those of the champion',
  { timeout: 160_000 },
  async () => {
    const champion = await publishVersion(place.store, 7, 1);
    const challenger = { ...(await publishVersion(place.store, 8, 2)), share: 0, shadow: 0.5 };
    await reached(await publishSlots(place.store, { champion, challenger }));
    for (let i = 0; i < 60; i++) {
      const { status, body } = await post(infer, inferBody(2, { id: `shadowed-${i}` }));
      assert.equal(status, 200);
      assert.equal(body.model_version, '7');
    }
    const counted = async () => (await report())?.counters.find(({ version }) => version === 8);
    await until(async () => ((await counted())?.agreement.n ?? 0) > 0);
    await publishSlots(place.store, { champion, challenger: null }); // it is retired, and its rows are written
    await server.child.kill();
    const rows = (await place.stored('predictions/')).filter(({ id }) => String(id).startsWith('shadowed-'));
    const of = (route: string) => rows.filter((row) => row['route'] === route);
    assert.equal(of('champion').length, 120);
    const shadows = of('shadow');
    assert(shadows.length > 20 && shadows.length < 100, `${shadows.length} of 120`);
    const answered = new Map(of('champion').map((row) => [row['id'], row]));
    for (const shadow of shadows) {
      assert.equal(shadow['version'], 8);
      assert.equal(shadow['in_delay'], answered.get(shadow['id'])?.['in_delay']);
      assert.notEqual(shadow['out_probability'], answered.get(shadow['id'])?.['out_probability']);
    }
  },
);
