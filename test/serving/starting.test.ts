/** Before a replica has looked at its store, it is not ready, and does not claim that a model is unknown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../infra/log.ts';
import { readConfig } from '../../infra/config.ts';
import { createApp } from '../../serving/app.ts';
import { openConverter } from '../../serving/converter.ts';
import { Gate } from '../../serving/gate.ts';
import { listen } from '../../serving/listen.ts';
import { Rejects } from '../../serving/rejects.ts';
import { loadSettings } from '../../serving/loaded-version.ts';
import { Replica } from '../../serving/replica.ts';
import { Shipper } from '../../serving/shipper.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace } from '../support/server.ts';

test('a replica that starts answers 503 until it knows its models', async () => {
  const place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  const log = createLogger(readConfig({ LOG_LEVEL: 'fatal' }), {});
  const deps = { store: place.store, log, folder: place.root, replica: 'one' };
  const options = { memory: '256MB', threads: 1, spillDir: place.root };
  const shipper = new Shipper({ ...deps, openConverter: () => openConverter(options) });
  const replica = new Replica({
    ...deps,
    shipper,
    models: [],
    settings: loadSettings(readConfig({}).serving),
    logBytes: 1e9,
  });
  const app = createApp({
    catalogue: replica,
    log,
    rejects: new Rejects(),
    gate: new Gate(),
    metrics: () => '',
  });
  const url = await listen(app, '127.0.0.1', 0);
  const ready = async () => (await fetch(`${url}/v2/health/ready`)).status;
  const infer = () =>
    fetch(`${url}/v2/models/flights/infer`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify(inferBody(1)),
    });

  assert.equal(await ready(), 503);
  const early = await infer();
  assert.equal(early.status, 503);
  assert.equal(early.headers.get('retry-after'), '1');
  assert.match(await early.text(), /starting/);
  await replica.start('http://127.0.0.1:1');
  assert.equal(await ready(), 200);
  assert.equal((await infer()).status, 200);

  await app.close();
  await replica.close();
  await place.remove();
});
