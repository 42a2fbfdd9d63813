/** Experiments over a store of written records: found, filtered, compared, exported. No server runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readCatalogue } from '../../client/experiments/catalogue.ts';
import { readCompared, pageOf } from '../../client/experiments/compare.ts';
import { differencesTable } from '../../client/experiments/differences.ts';
import { runsCsv } from '../../client/experiments/export.ts';
import { importances, pearson, ranks } from '../../client/experiments/importance.ts';
import { metric } from '../../client/experiments/names.ts';
import { readRun } from '../../client/experiments/read.ts';
import { wholeRunText } from '../../client/experiments/show.ts';
import { matching, parseWhere, sorted } from '../../client/experiments/where.ts';
import { openStore } from '../../infra/store/open.ts';
import { canonicalJson, putJsonBlob, swapJson } from '../../infra/store/json.ts';
import { findKeys } from '../../infra/store/find.ts';
import type { Store } from '../../infra/store/store.ts';
import { detailsWith, evaluateRecord, trainRecord, trialRecord } from '../support/records.ts';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
let root: string;
let store: Store;
let cacheHome: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-runs-'));
  cacheHome = join(root, 'cache');
  store = await openStore(pathToFileURL(join(root, 'store')).href, { cacheDir: cacheHome });
  const step = [1, 2, 3];
  const series = await putJsonBlob(store, {
    validation_loss: { step, value: [0.9, 0.6, 0.5], seconds: step },
    train_loss: { step, value: [0.8, 0.5, 0.3], seconds: step },
  });
  const log = await store.putBlob('epoch 1\nepoch 2\n', 'text/plain');
  const diff = await store.putBlob('diff --git a/train.py b/train.py\n+lr = 0.01\n', 'text/plain');
  const put = (key: string, value: unknown) =>
    swapJson(store, `runs/lifecycle/${key}/record.json`, value, undefined);
  for (const [i, lr] of [0.1, 0.01, 0.001].entries()) {
    const n = i + 1;
    const git = { commit: 'c0ffee0c0ffee0c0ffee0c0ffee0c0ffee0c0ffe', ...(n === 2 && { diff }) };
    const details = detailsWith({ lr, optimizer: n === 3 ? '=cmd|calc' : 'adam' }, { series, log, git });
    await put(`flights/${n}/train`, trainRecord('flights', n, details, { validation_loss: 0.5 - i / 10 }));
    await put(`flights/${n}/evaluate`, evaluateRecord('flights', n, { roc_auc: 0.6 + i / 10 }, n > 1));
  }
  await put('orders/1/train', trainRecord('orders', 1, { resumedFrom: null }, { validation_loss: 0.4 }));
  for (let k = 0; k < 12; k++) {
    const value = k === 11 ? null : 0.5 - k / 100;
    await put(
      `flights/3/search/${k}`,
      trialRecord('flights', 3, k, { lr: 10 ** -(k / 4), kind: k % 2 ? 'a' : 'b' }, value),
    );
  }
});
after(async () => {
  await store.close();
  await rm(root, { recursive: true, force: true });
});

const names = (runs: readonly { run: string }[]) => runs.map(({ run }) => run);

test('all runs are found, those of releases without details too', async () => {
  const { runs, faults } = await readCatalogue(store, { cacheHome });
  assert.deepEqual(names(sorted(runs, 'run', true)), ['flights/1', 'flights/2', 'flights/3', 'orders/1']);
  assert.deepEqual(faults, []);
  const old = runs.find(({ run }) => run === 'orders/1')!;
  assert.deepEqual([old.backend, old.parameters, old.metrics], [null, {}, { validation_loss: 0.4 }]);
  const { runs: trials } = await readCatalogue(store, { cacheHome, model: 'flights', trials: true });
  assert.equal(trials.length, 12);
  assert.equal(trials.find(({ run }) => run === 'flights/3/11')?.state, 'failed');
});

test('conditions are joined by and; a run that lacks the value meets none about it', async () => {
  const { runs } = await readCatalogue(store, { cacheHome });
  const found = (where: string) => names(matching(sorted(runs, 'started', true), parseWhere(where)));
  assert.deepEqual(found('param.lr<0.05 and metric.roc_auc>=0.7 and backend=python'), [
    'flights/2',
    'flights/3',
  ]);
  assert.deepEqual(found('roc_auc != 0.6'), ['flights/2', 'flights/3']);
  assert.deepEqual(found(`optimizer = 'adam' and gates=missed`), ['flights/1']);
  assert.deepEqual(found('model=orders'), ['orders/1']);
  assert.deepEqual(names(sorted(runs, 'roc_auc', false)).at(0), 'flights/3');
  assert.deepEqual(
    names(sorted(runs, 'roc_auc', true)).at(-1),
    'orders/1',
    'without the metric, last either way',
  );
  assert.throws(() => found('roc_acu>0.5'), /no run has roc_acu, did you mean roc_auc\?/);
  assert.throws(() => found('param.rl>0.5'), /no run has param\.rl, did you mean param\.lr\?/);
  assert.throws(() => parseWhere('lr 0.5'), /"lr 0.5" is not understood/);
  assert.throws(() => parseWhere('lr<0.5 and '), /must follow the last and/);
});

test('only records that changed are read again, and a damaged cache is no cache', async () => {
  assert.equal((await readCatalogue(store, { cacheHome })).read, 0);
  const key = 'runs/lifecycle/orders/1/train/record.json';
  const { etag } = (await store.read(key))!;
  await swapJson(
    store,
    key,
    trainRecord('orders', 1, detailsWith({ lr: 1 }), { validation_loss: 0.3 }),
    etag,
  );
  const again = await readCatalogue(store, { cacheHome });
  assert.deepEqual([again.read, again.runs.find(({ run }) => run === 'orders/1')?.parameters['lr']], [1, 1]);
  await store.delete('runs/lifecycle/orders/1/train/record.json');
  assert.equal((await readCatalogue(store, { cacheHome })).runs.length, 3);
  const folder = join(cacheHome, 'runs');
  for (const name of await readdir(folder))
    await writeFile(join(folder, name), '{"format":1,"rows":3}\ngarbage');
  assert.deepEqual([(await readCatalogue(store, { cacheHome })).read], [3]);
});

test('a record that cannot be read is told, and hides no other', async () => {
  const key = 'runs/lifecycle/broken/1/train/record.json';
  await store.create(key, '{"stage": "train"}');
  const { runs, faults } = await readCatalogue(store, { cacheHome });
  assert.deepEqual([runs.length, faults.length], [3, 1]);
  assert.match(faults[0]!, /^runs\/lifecycle\/broken\/1 cannot be read/);
  await store.delete(key);
});

test('looking only where keys can be finds what a full walk finds', async () => {
  const tails = ['train/record.json', 'search/*/record.json'];
  const quick = (await findKeys(store, 'runs/lifecycle/*/*', tails)).map(({ key }) => key).toSorted();
  const elsewhere = {
    uri: 's3://somewhere',
    list: (prefix: string) => store.list(prefix),
  } as unknown as Store;
  const full = (await findKeys(elsewhere, 'runs/lifecycle/*/*', tails)).map(({ key }) => key).toSorted();
  assert.deepEqual(quick, full);
  assert.equal(quick.length, 15);
});

test('one run is shown whole', async () => {
  const text = wholeRunText(await readRun(store, 'flights/2'));
  assert.match(text, /^flights\/2 {2}done/);
  assert.match(text, /roc_auc +0\.7 +0\.69 … 0\.71 +holdout/);
  assert.match(text, /c0ffee\w+, with uncommitted changes/);
  await assert.rejects(readRun(store, 'flights/99'), /flights\/99 has not trained/);
  await assert.rejects(readRun(store, 'flights'), /names no run; write flights\/3/);
});

test('a comparison tells what differs, and nothing else', async () => {
  const { wholes } = await readCompared(store, ['flights/1', 'flights/2'], { cacheHome });
  const text = differencesTable(wholes.map(({ run }) => run));
  assert.match(text, /parameter +lr +0\.1 +0\.01/);
  assert.doesNotMatch(text, /optimizer|environment/);
  await assert.rejects(readCompared(store, ['flights/1'], { cacheHome }), /at least two runs/);
  await assert.rejects(readCompared(store, ['flights/1'], { cacheHome, trials: true }), /has no trials/);
});

test('the page stands alone: curves, parallel coordinates, importances, and nothing from elsewhere', async () => {
  const compared = await readCompared(store, ['flights/1', 'flights/2', 'flights/3'], { cacheHome });
  const page = await pageOf(store, compared);
  assert.match(page, /validation_loss by step/);
  assert.match(page, /=cmd\|calc/);
  assert.doesNotMatch(page, /<script|<link|src=|url\((?!#)/);
  const search = await pageOf(store, await readCompared(store, ['flights/3'], { cacheHome, trials: true }));
  assert.match(search, /Spearman/);
  assert.match(search, /Parallel coordinates/);
});

test('ranks share places, and correlation is that of the textbook', () => {
  assert.deepEqual(ranks([10, 20, 20, 5]), [2, 3.5, 3.5, 1]);
  // Spearman's rho of IQ and hours of TV: −29/165 (Wikipedia, "Spearman's rank correlation coefficient").
  const iq = [106, 86, 100, 101, 99, 103, 97, 113, 112, 110];
  const tv = [7, 0, 27, 50, 28, 29, 20, 12, 6, 17];
  assert.ok(Math.abs(pearson(ranks(iq), ranks(tv)) + 29 / 165) < 1e-12);
});

test('a parameter that decides is the most important, and words without a repeat are none', async () => {
  const { runs } = await readCatalogue(store, { cacheHome, model: 'flights', trials: true });
  const [first] = importances(runs, metric('validation_loss'));
  assert.deepEqual([first?.name, first?.strength.toFixed(3), first?.sign], ['lr', '1.000', 1]);
});

test('an export has a column for every name, and no cell that a spreadsheet would run', async () => {
  const { runs } = await readCatalogue(store, { cacheHome, model: 'flights' });
  const lines = runsCsv(sorted(runs, 'started', true))
    .trimEnd()
    .split('\r\n');
  assert.equal(lines.length, 4);
  assert.match(lines[0]!, /^run,model,.*param\.lr,param\.optimizer,metric\.roc_auc/);
  assert.match(lines[3]!, /,'=cmd\|calc,/);
});

function esteira(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    ESTEIRA_STORE: store.uri,
    ESTEIRA_CACHE: cacheHome,
    ESTEIRA_HOME: root,
    NO_COLOR: '1',
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, 'runs', ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('the commands work where no server runs', async () => {
  const listed = await esteira('ls', '--sort', 'roc_auc', '--where', 'param.lr<0.05', '--json');
  assert.equal(listed.code, 0, listed.stderr);
  assert.deepEqual(names(JSON.parse(listed.stdout) as { run: string }[]), ['flights/3', 'flights/2']);
  const trials = await esteira('ls', 'flights/3', '--trials', '--limit', '2', '--json');
  assert.equal((JSON.parse(trials.stdout) as object[]).length, 2, 'those of one lifecycle');
  assert.equal((await esteira('ls', 'flights/2', '--trials', '--json')).stdout, '[]\n');
  const wrong = await esteira('ls', '--where', 'rocauc>1');
  assert.deepEqual([wrong.code, wrong.stderr.split(';')[0]], [1, 'no run has rocauc, did you mean roc_auc?']);
  const diff = await esteira('show', 'flights/2', '--diff');
  assert.match(diff.stdout, /\+lr = 0\.01/);
  const html = join(root, 'page.html');
  const compared = await esteira('compare', 'flights/3', '--trials', '--html', html);
  assert.equal(compared.code, 0, compared.stderr);
  assert.match(await readFile(html, 'utf8'), /<h1>Search of flights\/3<\/h1>/);
  assert.equal((await esteira('export', '--csv', 'flights')).code, 2, 'a model in the place of a file');
  assert.match((await esteira('export', 'flights', '--csv')).stdout, /^run,model/);
});

test('no run is a sentence', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'esteira-none-'));
  const other = await openStore(pathToFileURL(empty).href, { cacheDir: cacheHome });
  assert.equal(canonicalJson((await readCatalogue(other, { cacheHome })).runs), '[]\n');
  await other.close();
  await rm(empty, { recursive: true });
});
