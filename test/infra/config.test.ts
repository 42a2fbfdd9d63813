import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { ConfigError, readConfig } from '../../infra/config.ts';

const nowhere = { TEMPORAL_CONFIG_FILE: '/nonexistent/temporal.toml' };

test('an empty environment gives a working local set-up', () => {
  const config = readConfig({ ...nowhere, ESTEIRA_STORE: '', LOG_LEVEL: '' });
  assert.equal(config.home, resolve('.esteira'));
  assert.equal(config.store, `file://${resolve('.esteira/store')}`);
  assert.deepEqual(config.temporal, { port: 7233, namespace: 'default', connection: {} });
  assert.equal(config.gatewayPort, 8090);
  const { host, port, grpcPort, managementPort, access, tls } = config.serving;
  assert.deepEqual({ host, port }, { host: '127.0.0.1', port: 8080 });
  assert.deepEqual([grpcPort, managementPort, access, tls], [undefined, undefined, undefined, undefined]);
  assert.equal(config.logLevel, 'info');
  assert.equal(config.color, true);
});

test('what is given is taken', () => {
  const config = readConfig({
    ...nowhere,
    ESTEIRA_HOME: '/srv/esteira',
    ESTEIRA_STORE: 'file:stores/one',
    ESTEIRA_SERVING_PORT: '0',
    ESTEIRA_DUCKDB_MEMORY: '512MB',
    TEMPORAL_ADDRESS: 'temporal.example:7233',
    TEMPORAL_NAMESPACE: 'ml',
    TEMPORAL_API_KEY: 'secret',
    NO_COLOR: '1',
  });
  assert.equal(config.store, `file://${resolve('stores/one')}`);
  assert.equal(config.temporal.address, 'temporal.example:7233');
  assert.equal(config.temporal.namespace, 'ml');
  assert.deepEqual(config.temporal.connection, {
    address: 'temporal.example:7233',
    apiKey: 'secret',
    tls: true,
  });
  assert.equal(config.serving.port, 0);
  assert.equal(config.color, false);
});

test('an S3 store carries its endpoint and region with it', () => {
  const env = { ...nowhere, ESTEIRA_STORE: 's3://models/team-a', AWS_ENDPOINT_URL: 'http://127.0.0.1:9000' };
  const uri = new URL(readConfig({ ...env, AWS_REGION: 'sa-east-1' }).store);
  assert.equal(uri.searchParams.get('endpoint'), 'http://127.0.0.1:9000');
  assert.equal(uri.searchParams.get('region'), 'sa-east-1');
  assert.equal(readConfig({ ...nowhere, ESTEIRA_STORE: 's3://models/a' }).store, 's3://models/a');
});

const wrong: [string, string, RegExp][] = [
  [
    'ESTEIRA_SERVING_PORT',
    'http',
    /^ESTEIRA_SERVING_PORT is "http"; allowed: a whole number from 0 to 65535\.$/,
  ],
  ['ESTEIRA_SERVING_PORT', '70000', /from 0 to 65535/],
  ['ESTEIRA_SERVING_PORT', '80.5', /whole number/],
  ['ESTEIRA_GATEWAY_PORT', '-1', /from 0 to 65535/],
  ['ESTEIRA_TEMPORAL_PORT', '65000', /from 0 to 64535/],
  ['ESTEIRA_STORE', 'gs://bucket', /ESTEIRA_STORE is "gs:\/\/bucket"; allowed: file:<folder> or s3:\/\//],
  ['ESTEIRA_STORE', 's3://B', /s3:\/\/<bucket>/],
  ['ESTEIRA_DUCKDB_MEMORY', '1 gig', /a size such as 512MB/],
  ['ESTEIRA_DUCKDB_THREADS', '0', /from 1 to 256/],
  ['ESTEIRA_STOR', 'file:x', /^ESTEIRA_STOR is not a setting, did you mean ESTEIRA_STORE\?; known: /],
  ['ESTEIRA_HIDDEN_SAUCE', '1', /^ESTEIRA_HIDDEN_SAUCE is not a setting; known: /],
  ['LOG_LEVEL', 'inof', /^LOG_LEVEL is "inof", did you mean info\?; allowed: fatal, error/],
  ['TEMPORAL_PROFILE', 'nobody', /^The Temporal settings .* cannot be read/],
];
for (const [name, value, message] of wrong) {
  test(`${name}=${value} stops the start with one sentence`, () => {
    assert.throws(
      () => readConfig({ ...nowhere, [name]: value }),
      (error) => error instanceof ConfigError && message.test(error.message) && !error.message.includes('\n'),
    );
  });
}
