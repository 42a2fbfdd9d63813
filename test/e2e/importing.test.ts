/** Models trained elsewhere go along the belt from evaluation on, with their origin on record; and versions leave it as OCI images. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { exportVersion } from '../../client/export.ts';
import { pinImport } from '../../client/import.ts';
import type { ImportOptions } from '../../client/import.ts';
import { usableVersion } from '../../client/named.ts';
import { reproduce } from '../../client/reproduce.ts';
import { sha256 } from '../../infra/digest.ts';
import { graph } from '../../infra/onnx/graph.ts';
import { score } from '../../infra/onnx/score.ts';
import { readBytes } from '../../infra/store/json.ts';
import { interpreterOf } from '../activities/train/python/drive.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { goTool } from '../support/go-tool.ts';
import { replayAll } from '../support/replay.ts';

let belt: Belt;
let root: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-importing-'));
  belt = await openBelt();
  await writeFile(join(root, 'model.onnx'), model());
  const rows = Array.from({ length: 400 }, (_, i) => `${(i % 17) / 17},${i % 5},${i % 17 > 8 ? 1 : 0}`);
  await writeFile(join(root, 'rows.csv'), `x,z,y\n${[...rows, '0.5,1,'].join('\n')}\n`);
});
after(async () => {
  await belt.close();
  await rm(root, { recursive: true, force: true });
});

/** The first of two columns is the probability. */
function model(): Uint8Array {
  const g = graph('theirs');
  const x = g.input('X', 'float', ['n', 2]);
  const first = g.node('Gather', [x, g.constant('int64', [0])], { axis: 1 });
  const both = g.node('Concat', [g.node('Sub', [g.constant('float', [1]), first]), first], { axis: 1 });
  g.output('probabilities', both, 'float', ['n', 2]);
  return g.bytes();
}

const auto = { by: 'ana', policy: 'auto' } as const;

/** @returns how the lifecycle ended */
async function imported(path: string, options: Partial<ImportOptions>) {
  const pinned = await pinImport(belt.esteira.store, path, { ...auto, ...options });
  const answer = await belt.esteira.run(pinned, { by: 'ana', reason: 'import' });
  assert.equal(answer.status, 'started', JSON.stringify(answer));
  return { id: answer.lifecycleId, outcome: await belt.esteira.outcome(answer.lifecycleId) };
}

async function cardOf(name: string): Promise<string> {
  const made = (await usableVersion(belt.esteira, name)).package;
  return new TextDecoder().decode(await readBytes(belt.esteira.store, made.card));
}

test('an ONNX file and a file of rows are enough for a champion, whose card says where it comes from', async () => {
  const path = join(root, 'model.onnx');
  const { id, outcome } = await imported(path, {
    ...{ model: 'given', sample: join(root, 'rows.csv'), gates: { roc_auc: { min: 0.95 } } },
  });
  assert.equal(outcome.status, 'deployed');
  assert('scorecard' in outcome);
  assert.equal(outcome.scorecard.rows, 400, 'a row without a label is left out');
  assert.equal(outcome.scorecard.metrics['roc_auc']!.value, 1);
  const { progress } = await belt.esteira.look(id);
  assert.match(progress.done.find(({ stage }) => stage === 'train')!.result, /^imported from .*model\.onnx$/);
  const card = await cardOf('given');
  assert.match(card, /## Origin\n\nTrained elsewhere, and imported from `.*model\.onnx` by ana/);
  assert(card.includes(sha256(await readFile(path))));
  const made = (await usableVersion(belt.esteira, 'given')).package;
  assert.deepEqual(
    made.signature.inputs.map(({ name }) => name),
    ['x', 'z'],
  );
  assert.equal((await reproduce(belt.esteira, 'given/1')).identical, true);
});

test('the gates judge it, and people are asked unless nobody is to be', async () => {
  const sample = join(root, 'rows.csv');
  const missed = await imported(join(root, 'model.onnx'), {
    ...{ model: 'judged', sample, columns: ['z', 'x'], gates: { roc_auc: { min: 0.95 } } },
  });
  assert.equal(missed.outcome.status, 'gate-missed');
  const pinned = await pinImport(belt.esteira.store, join(root, 'model.onnx'), {
    ...{ by: 'ana', model: 'asked', sample, approvers: ['bob'] },
  });
  const answer = await belt.esteira.run(pinned, { by: 'ana' });
  assert.equal(answer.status, 'started');
  let waiting = await belt.esteira.approvals();
  while (waiting.length === 0) waiting = await belt.esteira.approvals();
  const decide = (by: string) => belt.esteira.decide('asked/1', { approved: true, by, reason: 'fine' });
  assert.deepEqual([(await decide('ana')).accepted, (await decide('bob')).accepted], [false, true]);
  assert.equal((await belt.esteira.outcome(answer.lifecycleId)).status, 'deployed');
});

test('an MLflow model folder brings its run along', async () => {
  const folder = join(root, 'mlflow');
  await mkdir(folder);
  await writeFile(join(folder, 'model.onnx'), model());
  const text =
    'flavors:\n  onnx:\n    data: model.onnx\nmlflow_version: 3.1.0\nmodel_uuid: 0f3a\nrun_id: 4c1e\n';
  await writeFile(join(folder, 'MLmodel'), text);
  const sample = join(root, 'rows.csv');
  assert.equal((await imported(folder, { model: 'tracked', sample })).outcome.status, 'deployed');
  assert.match(await cardOf('tracked'), /MLflow 3\.1\.0: run 4c1e, model 0f3a, flavors onnx/);
  await writeFile(join(folder, 'MLmodel'), 'flavors:\n  sklearn:\n    pickled_model: model.pkl\n');
  await assert.rejects(
    imported(folder, { model: 'tracked', sample }),
    /holds no ONNX: its flavors are sklearn; log the model by mlflow\.onnx\.log_model/,
  );
});

test('a project judges it on its own rows', async () => {
  const project = await belt.project('own', {
    query: 'SELECT id, seen, x, x AS z, y FROM event WHERE seen >= $from AND seen < $until',
  });
  const pinned = await pinImport(belt.esteira.store, join(root, 'model.onnx'), { by: 'ana', project });
  const answer = await belt.esteira.run(pinned, { by: 'ana', until: '2001-02-01T00:00:00.000Z' });
  assert.equal(answer.status, 'started');
  const outcome = await belt.esteira.outcome(answer.lifecycleId);
  assert.equal(outcome.status, 'deployed');
  assert.equal('scorecard' in outcome && outcome.scorecard.rows, 4_000);
});

test('what cannot be imported is told before a lifecycle starts', async () => {
  const sample = join(root, 'rows.csv');
  const refused = (path: string, options: Partial<ImportOptions>, sentence: RegExp) =>
    assert.rejects(imported(path, { model: 'never', sample, ...options }), sentence);
  await writeFile(join(root, 'model.pkl'), Buffer.from([0x80, 4, 0x2e]));
  await refused(join(root, 'model.pkl'), {}, /model\.pkl: it is a pickle, which is a program/);
  await refused(join(root, 'none.onnx'), {}, /none\.onnx does not exist/);
  await refused(join(root, 'model.onnx'), { label: 'late' }, /has no column late; it has x, z, y/);
  await refused(join(root, 'model.onnx'), { columns: ['x'] }, /a matrix of 2 columns, and 1 are given/);
  await refused(join(root, 'model.onnx'), { sample: join(root, 'no.csv') }, /no\.csv is no file/);
  assert.equal(await belt.esteira.describe('never'), undefined);
});

/** A trainer elsewhere: it leaves the rows that it has not seen, and its own predictions of ten of them. */
const script = (fit: string) => `
import sys, json
import numpy as np
folder = sys.argv[1]
rng = np.random.default_rng(7)
x = rng.normal(size=(600, 3)) * [1, 10, 100]
y = np.where(x[:, 0] + x[:, 1] / 10 + rng.normal(size=600) / 2 > 0, "late", "in time")
${fit}
with open(folder + "/theirs.csv", "w") as file:
    file.write("a,b,c,class\\n")
    for row, label in zip(x[300:].tolist(), y[300:]):
        file.write(",".join(map(repr, row)) + "," + label + "\\n")
print(json.dumps({"rows": x[300:310].tolist(), "late": model.predict_proba(x[300:310])[:, 1].tolist()}))
`;

const sklearn = `
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.pipeline import make_pipeline
from skl2onnx import to_onnx
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[:300], y[:300])
first = x[:1].astype(np.float32)
open(folder + "/zipmap.onnx", "wb").write(to_onnx(model, first).SerializeToString())
plain = to_onnx(model, first, options={id(model): {"zipmap": False}})
open(folder + "/theirs.onnx", "wb").write(plain.SerializeToString())
`;

/** The converter writes the oldest opset that has what it needs: 9, whatever it is asked for. */
const lightgbm = `
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
model = LGBMClassifier(n_estimators=20, verbose=-1).fit(x[:300], y[:300])
types = [("x", FloatTensorType([None, 3]))]
plain = convert_lightgbm(model, initial_types=types, zipmap=False, target_opset=15)
open(folder + "/theirs.onnx", "wb").write(plain.SerializeToString())
`;

for (const { tool, fit } of [
  { tool: 'scikit-learn', fit: sklearn },
  { tool: 'lightgbm', fit: lightgbm },
] as const) {
  test(`the predictions of an imported model are those of ${tool}`, { timeout: 600_000 }, async (t) => {
    const found = await interpreterOf(tool);
    if ('absent' in found) return t.skip(found.absent);
    const folder = await mkdtemp(join(root, 'theirs-'));
    await writeFile(join(folder, 'train.py'), script(fit));
    const { stdout } = await promisify(execFile)(found.python, [join(folder, 'train.py'), folder]);
    const said = JSON.parse(stdout) as { rows: [number, number, number][]; late: number[] };
    const options = { model: tool, sample: join(folder, 'theirs.csv') };
    if (tool === 'scikit-learn')
      await assert.rejects(
        imported(join(folder, 'zipmap.onnx'), options),
        /is a map for each row \(ZipMap\)/,
      );
    const { outcome } = await imported(join(folder, 'theirs.onnx'), options);
    assert.equal(outcome.status, 'deployed');
    const { onnx, signature } = (await usableVersion(belt.esteira, tool)).package;
    assert.deepEqual(signature.classes, ['in time', 'late']);
    const columns = Object.fromEntries(
      ['a', 'b', 'c'].map((name, i) => [name, said.rows.map((row) => row[i]!)]),
    );
    const answers = await score(await belt.esteira.store.localPath(onnx), signature, columns);
    for (const [i, value] of answers.entries()) assert(Math.abs(value - said.late[i]!) < 1e-5, `row ${i}`);
    return undefined;
  });
}

test('a version leaves as an OCI image layout, the same one wherever and whenever', async () => {
  const [one, two] = [join(root, 'one'), join(root, 'two')];
  const first = await exportVersion(belt.esteira, 'given', one);
  assert.equal((await exportVersion(belt.esteira, 'given/1', two)).digest, first.digest);
  assert.equal((await exportVersion(belt.esteira, 'given', one)).digest, first.digest, 'twice is once');
  const blobs = await readdir(join(one, 'blobs', 'sha256'));
  for (const name of blobs) assert.equal(sha256(await readFile(join(one, 'blobs', 'sha256', name))), name);
  const manifest = JSON.parse(
    await readFile(join(one, 'blobs', 'sha256', first.digest.slice(7)), 'utf8'),
  ) as {
    artifactType: string;
    config: { mediaType: string };
  };
  assert.equal(manifest.artifactType, 'application/vnd.cncf.model.manifest.v1+json');
  assert.equal(manifest.config.mediaType, 'application/vnd.cncf.model.config.v1+json');
  assert.deepEqual(
    first.files.map(({ path, mediaType }) => [path, /model\.(.*)\.v1/.exec(mediaType)![1]]),
    [
      ['model.onnx', 'weight'],
      ...['signature.json', 'golden.json', 'reference.json'].map((name) => [name, 'weight.config']),
      ...['README.md', 'report.html', 'scorecard.json'].map((name) => [name, 'doc']),
    ],
  );
  await assert.rejects(exportVersion(belt.esteira, 'given', root), /is not empty/);
  assert.deepEqual(
    (await readdir(root)).filter((name) => name.includes('.part-')),
    [],
  );
});

test('a public OCI tool reads it, copies it, and gives the model back', { timeout: 400_000 }, async (t) => {
  const oras = await goTool('oras.land/oras/cmd/oras', 'v1.3.6');
  if (!oras.startsWith('/')) return t.skip(oras);
  const run = async (...words: string[]) => (await promisify(execFile)(oras, words, { cwd: root })).stdout;
  const { digest } = await exportVersion(belt.esteira, 'given', join(root, 'one'));
  const said = JSON.parse(await run('manifest', 'fetch', '--descriptor', '--oci-layout', 'one:1')) as object;
  assert.deepEqual(
    [Reflect.get(said, 'digest'), Reflect.get(said, 'artifactType')],
    [digest, 'application/vnd.cncf.model.manifest.v1+json'],
  );
  await run('cp', '--from-oci-layout', 'one:1', '--to-oci-layout', 'copy:1');
  await run('pull', '--oci-layout', 'copy:1', '-o', 'pulled');
  const { onnx } = (await usableVersion(belt.esteira, 'given')).package;
  assert.equal(sha256(await readFile(join(root, 'pulled', 'model.onnx'))), onnx.sha256);
  const back = await imported(join(root, 'pulled', 'model.onnx'), {
    model: 'back',
    sample: join(root, 'rows.csv'),
  });
  assert.equal(back.outcome.status, 'deployed', 'and what left may come back');
  return undefined;
});

test('every history replays', async () => {
  assert((await replayAll(belt.esteira.client))['lifecycle']! >= 5);
});
