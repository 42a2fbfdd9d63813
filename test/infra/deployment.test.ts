/** What is deployed by others' tools: manifests against the published schemas, compose and dashboards against the code. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { readSettings } from '../../client/gateway/settings.ts';
import { searchAttributes } from '../../contracts/search.ts';
import { readConfig } from '../../infra/config.ts';
import { sha256 } from '../../infra/digest.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import { pythonWith } from '../support/python-packages.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFile(join(root, path), 'utf8');

function kubernetes(...args: string[]): string {
  const words = ['client/esteira.mjs', 'kubernetes', '--image', 'esteira-serving:1', ...args];
  return execFileSync(process.execPath, words, { cwd: root, encoding: 'utf8' });
}

test('the manifests fit the schemas that Kubernetes publishes', { timeout: 600_000 }, async (t) => {
  const python = await pythonWith('kubernetes-validate-1.34.1', ['kubernetes-validate==1.34.1']);
  if (!python.startsWith('/')) return t.skip(python);
  const folder = await mkdtemp(join(tmpdir(), 'esteira-manifests-'));
  const path = join(folder, 'all.yaml');
  const text = kubernetes('--store', 's3://models/prod', '--model', 'flights', '--secret', 'aws');
  await writeFile(path, text);
  const kinds = parseAllDocuments(text).map((document) => (document.toJS() as { kind: string }).kind);
  assert.deepEqual(kinds, ['Deployment', 'Service', 'PodDisruptionBudget', 'HorizontalPodAutoscaler']);
  const validate = promisify(execFile)(python, ['-m', 'kubernetes_validate', '--strict', path]);
  await assert.doesNotReject(validate);
  await rm(folder, { recursive: true });
});

test('for KServe it is one InferenceService, with our server in it', () => {
  const [document, ...more] = parseAllDocuments(kubernetes('--store', 's3://models/prod', '--kserve'));
  assert.deepEqual(more, []);
  const { kind, spec } = document!.toJS() as {
    kind: string;
    spec: { predictor: { containers: { name: string; image: string }[] } };
  };
  assert.equal(kind, 'InferenceService');
  assert.equal(spec.predictor.containers[0]!.name, 'kserve-container');
});

test('a pod is given settings that the server knows', () => {
  const text = kubernetes('--store', 's3://models/prod?endpoint=http%3A%2F%2Fs3%3A7070');
  const [deployment] = parseAllDocuments(text).map((document) => document.toJS());
  const [{ env }] = deployment.spec.template.spec.containers;
  const given = Object.fromEntries(
    (env as { name: string; value: string }[]).map(({ name, value }) => [name, value]),
  );
  const config = readConfig(given);
  assert.deepEqual(
    [config.serving.host, config.serving.grpcPort, config.serving.managementPort],
    ['0.0.0.0', 8081, 9090],
  );
});

for (const [args, sentence] of [
  [['--store', 'file:/tmp/x'], /file:\/tmp\/x, which pods cannot share; give one with --store s3:/],
  [['--store', 's3://a', '--min', '5', '--max', '2'], /--min is 5, more than --max, which is 2/],
  [['--store', 's3://a', '--name', 'Bad_Name'], /--name is "Bad_Name"; it must be lower-case/],
] as const) {
  test(`kubernetes ${args.join(' ')} is refused`, () => {
    assert.throws(
      () => kubernetes(...args),
      (error: { stderr?: string }) => sentence.test(String(error.stderr)),
    );
  });
}

test('compose gives its services settings that they know, and makes every search attribute', async () => {
  const { services } = parse(await read('infra/compose/compose.yaml'), { merge: true }) as {
    services: Record<string, { environment?: Record<string, string>; command?: string[] }>;
  };
  for (const name of ['worker', 'metrics', 'gateway', 'serving-a', 'serving-b']) {
    const { environment = {} } = services[name]!;
    assert.equal(
      readConfig(environment).store,
      's3://esteira/store?endpoint=http%3A%2F%2Fs3%3A7070&region=us-east-1',
    );
  }
  const command = services['temporal-setup']!.command!;
  const made = command.filter((word) => word.startsWith('--name=')).map((word) => word.slice(7));
  assert.deepEqual(made, Object.keys(searchAttributes));
});

test('compose gives its gateway settings that it takes, and Prometheus the token that they name', async () => {
  const { callers } = await readSettings(join(root, 'infra/compose/gateway.yaml'));
  const { scrape_configs: scrapes } = parse(await read('infra/compose/prometheus.yaml')) as {
    scrape_configs: { job_name: string; authorization?: { credentials: string } }[];
  };
  const { authorization } = scrapes.find(({ job_name: name }) => name === 'esteira-gateway')!;
  assert.deepEqual(callers['trial']!.proof, { by: 'token', sha256: sha256(authorization!.credentials) });
});

test('every number that the dashboard shows is one that the server tells', { timeout: 120_000 }, async () => {
  const place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  const { child, url } = await place.start();
  await post(`${url}/v2/models/flights/infer`, inferBody(1));
  await post(`${url}/v2/models/flights/infer`, {});
  const told = await (await fetch(`${url}/metrics`)).text();
  await child.kill();
  await place.remove();
  const dashboard = await read('infra/dashboards/serving.json');
  const shown = [...new Set([...dashboard.matchAll(/esteira_serving_[a-z_]+/g)].map(([name]) => name))];
  assert(shown.length > 10);
  const missing = shown.filter((name) => !new RegExp(`^${name}[{ ]`, 'm').test(told));
  assert.deepEqual(missing, []);
});
