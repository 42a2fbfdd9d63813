/** Before a replica has looked at its store, it is not ready, and does not claim that a model is unknown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDuckDb } from '../../infra/duckdb.ts';
import { createLogger } from '../../infra/log.ts';
import { readConfig } from '../../infra/config.ts';
import { createApp } from '../../serving/app.ts';
import { Replica } from '../../serving/replica.ts';
import { Shipper } from '../../serving/shipper.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace } from '../support/server.ts';

test('a replica that starts answers 503 until it knows its models', async () => {
  const place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  const log = createLogger(readConfig({ LOG_LEVEL: 'fatal' }), {});
  const deps = { store: place.store, log, folder: place.root, replica: 'one' };
  const openDb = () => openDuckDb({ memory: '256MB', threads: 1, spillDir: place.root });
  const shipper = new Shipper({ ...deps, openDuckDb: openDb });
  const replica = new Replica({ ...deps, shipper, models: [] });
  const app = createApp(replica, shipper, log);
  const ready = async () => (await app.inject({ url: '/v2/health/ready' })).statusCode;
  const infer = () => app.inject({ method: 'POST', url: '/v2/models/flights/infer', payload: inferBody(1) });

  assert.equal(await ready(), 503);
  const early = await infer();
  assert.equal(early.statusCode, 503);
  assert.equal(early.headers['retry-after'], '1');
  assert.match(early.json().error, /starting/);
  await replica.start('http://127.0.0.1:1');
  assert.equal(await ready(), 200);
  assert.equal((await infer()).statusCode, 200);

  await app.close();
  await replica.close();
  await place.remove();
});
