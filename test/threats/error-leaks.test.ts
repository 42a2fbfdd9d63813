/** What goes wrong inside is for the log: no answer tells a path, a stack or a secret, and a hostile model tells nothing. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Package, ReplicaStatus } from '../../contracts/serving.ts';
import type { Logger } from '../../infra/log.ts';
import { decodeModel, encodeModel } from '../../infra/onnx/proto.ts';
import { putJsonBlob, readJson, readJsonBlob } from '../../infra/store/json.ts';
import { createApp } from '../../serving/app.ts';
import type { Catalogue } from '../../serving/catalogue.ts';
import { listen } from '../../serving/listen.ts';
import { Rejects } from '../../serving/rejects.ts';
import { modelBytes, publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { until } from '../support/until.ts';
import { outside } from './onnx-bytes.ts';

/** A server whose every request for a model ends in this error. */
function failing(error: unknown) {
  const logged: unknown[] = [];
  const log = { error: (entry: unknown) => logged.push(entry) } as unknown as Logger;
  const catalogue = {
    ready: true,
    stopping: false,
    host(): never {
      throw error;
    },
  } as unknown as Catalogue;
  const app = createApp({ catalogue, log, rejects: new Rejects(), metrics: () => '', labels: async () => {} });
  return { app, logged };
}

const inner: [string, unknown][] = [
  [
    'a path',
    Object.assign(new Error("ENOSPC: no space left on device, open '/srv/esteira/serving/one/x.log'"), {
      code: 'ENOSPC',
    }),
  ],
  ['a key', new Error('SignatureDoesNotMatch: AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI')],
  ['an address', new Error('connect ECONNREFUSED 10.0.0.7:9000')],
  [
    'a place in the source of the runtime',
    new Error('/onnxruntime_src/core/framework/bfc_arena.cc:360 failed'),
  ],
  ['a status of its own', Object.assign(new Error('upstream /srv/x said no'), { statusCode: 502 })],
];
for (const [what, error] of inner) {
  test(`an error that names ${what} is logged, and answered without`, async () => {
    const { app, logged } = failing(error);
    const at = await listen(app, '127.0.0.1', 0);
    for (const [method, url] of [
      ['GET', '/v2/models/m'],
      ['POST', '/v2/models/m/infer'],
      ['POST', '/models/m/labels'],
    ] as const) {
      const body = JSON.stringify({ inputs: [], labels: [{ id: 'a', label: 1 }] });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(at + url, { method, headers, ...(method === 'POST' && { body }) });
      assert(answer.status >= 500);
      assert.deepEqual(await answer.json(), { error: 'the server could not answer; its log says why' });
    }
    assert.equal(logged.length, 3);
    await app.close();
  });
}

let place: Place;
let server: Awaited<ReturnType<Place['start']>>;
before(async () => {
  place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  process.env['AWS_SECRET_ACCESS_KEY'] = 'canary-of-the-store';
  server = await place.start();
  delete process.env['AWS_SECRET_ACCESS_KEY'];
});
after(async () => {
  await server.child.kill();
  await place.remove();
});

/** Version `n` as it would be published, with other bytes for its model. */
async function publishHostile(n: number, bytes: Uint8Array) {
  const good = await publishVersion(place.store, n, n);
  const content = await readJsonBlob(place.store, good.package, Package);
  const onnx = await place.store.putBlob(bytes, 'application/onnx');
  return { version: n, package: await putJsonBlob(place.store, { ...content, onnx }) };
}

function external(): Uint8Array {
  const made = decodeModel(modelBytes(2));
  made.graph!.initializer!.push(outside('../../../../etc/passwd'));
  return encodeModel(made);
}

const hostile: [string, () => Uint8Array, RegExp][] = [
  ['keeps data outside', external, /keeps its data outside the file/],
  ['is a pickle', () => Buffer.from('\u0080\u0004\u0095cposix\nsystem\n.', 'latin1'), /a pickle/],
  ['is noise', () => new Uint8Array(1_000).fill(255), /does not end/],
];
for (const [i, [what, bytes, says]] of hostile.entries()) {
  test(
    `a server refuses an approved version whose model ${what}, and the champion answers on`,
    { timeout: 480_000 },
    async () => {
      const slot = await publishHostile(i + 2, bytes());
      const epoch = await publishSlots(place.store, { challenger: { ...slot, share: 1 } });
      let reason = '';
      await until(async () => {
        const status = (await readJson(place.store, 'replicas/one.json', ReplicaStatus))?.value.models[
          'flights'
        ];
        reason = status?.failed.find((failed) => failed.epoch === epoch)?.reason ?? '';
        return reason !== '';
      });
      assert.match(reason, says);
      assert(!reason.includes(place.root) && !reason.includes(process.cwd()), reason);
      const { status, body } = await post(`${server.url}/v2/models/flights/infer`, inferBody(1));
      assert.deepEqual([status, body.model_version, body.parameters.route], [200, '1', 'champion']);
    },
  );
}

test('no answer and no log line of the server holds the secrets of its environment', async () => {
  const texts = await Promise.all(
    ['/v2', '/metrics', '/v2/models/x', '/v2/models/flights', '/env', '/debug', '/%'].map(async (path) =>
      (await fetch(server.url + path)).text(),
    ),
  );
  for (const text of [...texts, ...server.log]) {
    assert(!text.includes('canary-of-the-store'), text.slice(0, 200));
  }
  for (const text of texts)
    assert(!text.includes(place.root) && !text.includes('    at '), text.slice(0, 200));
});
