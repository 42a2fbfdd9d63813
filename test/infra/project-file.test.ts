import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { exampleProject } from '../../client/template.ts';
import { pinProject, ProjectError, projectSchema, readProject } from '../../infra/project-file.ts';

const template = exampleProject('orders')['esteira.yaml']!;
let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-project-'));
});
after(() => rm(root, { recursive: true, force: true }));

/** A project of its own, and where its file is. */
async function written(text: string, files: Record<string, string> = {}): Promise<string> {
  const folder = await mkdtemp(join(root, 'p-'));
  await writeFile(join(folder, 'esteira.yaml'), text);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

/** The template with one passage changed; the passage must be there, or the test would be about nothing. */
function edited(passage: string, replacement: string): string {
  assert(template.includes(passage), `the template has no "${passage}"`);
  return template.replace(passage, replacement);
}

/** Where `marker` begins in the text, as file:line:column says it. */
function positionOf(text: string, marker: string): string {
  const before = text.slice(0, text.indexOf(marker));
  return `${before.split('\n').length}:${before.length - before.lastIndexOf('\n')}`;
}

const people = (policy: string) =>
  edited('approval: { policy: auto }', `approval:\n  policy: people\n${policy}`);

const faults: { name: string; text: string; at: string; says: (string | RegExp)[] }[] = [
  {
    name: 'YAML that does not parse',
    text: edited('owner: you', 'owner: you: me'),
    at: 'you: me',
    says: ['not YAML', /[Nn]ested mappings/],
  },
  {
    name: 'a key that nobody knows',
    text: edited('description:', 'descripton:'),
    at: 'descripton',
    says: ['descripton unknown field, did you mean description?'],
  },
  {
    name: 'a key that its branch does not know',
    text: edited('column: price, min: 0', 'column: price, mn: 0'),
    at: 'mn: 0',
    says: [
      'checks[2].mn unknown field, did you mean min?',
      'known: check, column, min, max, severity, tolerate',
    ],
  },
  {
    name: "a person's column that the model does not take",
    text: edited('features:', 'log: { pii: { chanel: hash } }\nfeatures:'),
    at: 'chanel',
    says: ['log.pii.chanel is no input of the model, did you mean channel?'],
  },
  {
    name: 'a wrong type',
    text: edited('epochs: 8', 'epochs: many'),
    at: 'many',
    says: ['trainer.epochs is "many"; expected number'],
  },
  {
    name: 'a number out of range',
    text: edited('epochs: 8', 'epochs: -8'),
    at: '-8',
    says: ['trainer.epochs is -8;', '>0'],
  },
  {
    name: 'a word that is none of the choices',
    text: edited('task: binary-classification', 'task: binary-clasification'),
    at: 'binary-clasification',
    says: [
      'task is "binary-clasification", did you mean binary-classification?',
      'expected one of binary-classification, multiclass-classification, regression',
    ],
  },
  {
    name: 'a kind of check that does not exist',
    text: edited('check: range', 'check: rnge'),
    at: 'rnge',
    says: ['checks[2].check is "rnge", did you mean range?', 'expected one of not-null, range'],
  },
  {
    name: 'a value that fits no branch of a union',
    text: edited('items: { scale: standard }', 'items: { impute: medien }'),
    at: 'medien',
    says: ['features.items.impute is "medien", did you mean median?', 'most-frequent', 'or expected number'],
  },
  {
    name: 'a duration without its unit',
    text: edited('window: 90d', 'window: 90 days'),
    at: '90 days',
    says: ['window is "90 days"; must be a whole number and a unit'],
  },
  {
    name: 'a source that is no SQL name',
    text: edited('orders: { path', 'my-orders: { path'),
    at: 'my-orders',
    says: ['sources.my-orders is no good name; must be a plain SQL name'],
  },
  {
    name: 'a missing field',
    text: edited('gates:\n  roc_auc: { min: 0.6, notWorseThanChampionBy: 0.02 }', ''),
    at: '# One model',
    says: ['gates is missing; expected record'],
  },
  {
    name: 'a field left empty',
    text: edited('owner: you', 'owner:'),
    at: '\ntask',
    says: ['owner is empty; expected string'],
  },
  {
    name: 'a feature made of the label',
    text: edited('items: { scale', 'back: { from: returned, scale'),
    at: 'back: {',
    says: ['features.back is made of the label returned; it would leak'],
  },
  {
    name: 'a quorum that nobody can reach',
    text: people('  need: { risk: 20 }\n  people: { risk: [ana, ana] }'),
    at: '20 }',
    says: ['approval.need.risk is 20, but approval.people.risk names 1; nobody could approve'],
  },
  {
    name: 'a role without people',
    text: people('  need: { rsk: 3 }\n  people: { risk: [ana] }'),
    at: '3 }',
    says: ['names 0, did you mean risk?'],
  },
  {
    name: 'a gate of a metric that nobody computes',
    text: edited('roc_auc: { min', 'rocauc: { min'),
    at: 'rocauc',
    says: ['gates.rocauc is no metric of binary-classification, did you mean roc_auc?'],
  },
  {
    name: 'a loss that is not of the task',
    text: edited('rollout:', 'rollout:\n  quality: { loss: relative-error }'),
    at: 'relative-error',
    says: ['rollout.quality.loss is relative-error, no loss of binary-classification; known: brier, error'],
  },
  {
    name: 'a gate without a bound',
    text: edited('{ min: 0.6, notWorseThanChampionBy: 0.02 }', '{}'),
    at: 'roc_auc',
    says: ['gates.roc_auc has no bound; give min, max or notWorseThanChampionBy'],
  },
  {
    name: 'a search over a parameter that the trainer does not have',
    text: edited('gates:', 'search: { space: { learningrate: { min: 0.1, max: 1 } } }\n\ngates:'),
    at: 'learningrate',
    says: ['search.space.learningrate is no parameter of the onnx trainer', 'did you mean learningRate?'],
  },
  {
    name: 'a search that would try what the trainer refuses',
    text: edited('gates:', 'search: { space: { epochs: { values: [1, 0] } } }\n\ngates:'),
    at: 'epochs: { values',
    says: ['search.space.epochs may become 0;', '>0'],
  },
  {
    name: 'a grid without end',
    text: edited('gates:', 'search: { method: grid, space: { l2: { min: 0, max: 1 } } }\n\ngates:'),
    at: 'l2',
    says: ['search.space.l2 has no end of values on a grid; give it values, or a step'],
  },
  {
    name: 'a Python trainer with neither script nor a trainer that ships',
    text: edited(
      '{ backend: onnx, epochs: 8, batchSize: 128, learningRate: 0.01, seed: 1 }',
      '{ backend: python }',
    ),
    at: '{ backend: python }',
    says: ['trainer.script', 'give `use` (a trainer that ships) or `script` (your own), and not both'],
  },
];

for (const { name, text, at, says } of faults) {
  test(`${name} is told with its line and column`, async () => {
    const folder = await written(text);
    const { message } = await refusalOf(folder);
    // Paths are shown relative to where one stands; what counts is that the file is named before the position.
    assert(
      message.includes(`esteira.yaml:${positionOf(text, at)}: `),
      `${message}\nnot at ${positionOf(text, at)}`,
    );
    for (const words of says) assert.match(message, words instanceof RegExp ? words : literal(words));
    assert.equal(message.split('\n').length, 1, message);
  });
}

test('every fault is told, up to five', async () => {
  const { message } = await refusalOf(
    await written(edited('owner: you', 'a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6')),
  );
  assert.equal(message.split('\n').length, 5);
});

test('an empty file lacks a whole project', async () => {
  assert.match(
    (await refusalOf(await written(''))).message,
    /esteira\.yaml:1:1: the project is .*; expected object/,
  );
});

test('a query may be a file; one that is missing is told with the file that was meant', async () => {
  const text = edited(/^query: .*$/m.exec(template)![0], 'query: order.sql');
  const folder = await written(text, { 'orders.sql': 'SELECT 1' });
  const { message } = await refusalOf(folder);
  assert.match(message, literal(`esteira.yaml:${positionOf(text, 'order.sql')}: query is "order.sql"`));
  assert.match(message, /did you mean orders\.sql\?/);
  await writeFile(join(folder, 'order.sql'), 'SELECT 2');
  assert.equal((await readProject(folder)).sql, 'SELECT 2');
});

test('a folder without a project, and a path without a folder, say what to do', async () => {
  await mkdir(join(root, 'bare'));
  assert.match((await refusalOf(join(root, 'bare'))).message, /holds no esteira\.yaml; `esteira init/);
  assert.match((await refusalOf(join(root, 'nowhere'))).message, /does not exist; give the folder/);
});

test('a project reads the same from its folder and from its file', async () => {
  const folder = await written(template);
  assert.deepEqual(await readProject(folder), await readProject(join(folder, 'esteira.yaml')));
});

test('equal content pins to equal digests; an edit of gates or policy moves only its own', async () => {
  const first = await pinProject(await written(template));
  const same = await pinProject(await written(`# another comment\n${template}`));
  const gates = await pinProject(await written(edited('min: 0.6', 'min: 0.7')));
  const policy = await pinProject(await written(people('  need: { risk: 1 }\n  people: { risk: [ana] }')));
  assert.deepEqual(
    { gates: same.gatesDigest, policy: same.policyDigest },
    { gates: first.gatesDigest, policy: first.policyDigest },
  );
  assert.notEqual(gates.gatesDigest, first.gatesDigest);
  assert.equal(gates.policyDigest, first.policyDigest);
  assert.notEqual(policy.policyDigest, first.policyDigest);
  assert.equal(policy.gatesDigest, first.gatesDigest);
});

test('the JSON Schema for editors takes both examples, and refuses what the reader refuses', async () => {
  const schema = z.fromJSONSchema(projectSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const flights = fileURLToPath(new URL('../../examples/flights/esteira.yaml', import.meta.url));
  for (const text of [template, await readFile(flights, 'utf8')])
    assert.deepEqual(schema.safeParse(parseYaml(text)).error?.issues, undefined);
  assert.equal(schema.safeParse(parseYaml(edited('epochs: 8', 'epochs: many'))).success, false);
  assert.equal(schema.safeParse(parseYaml(edited('description:', 'descripton:'))).success, false);
});

async function refusalOf(path: string): Promise<ProjectError> {
  const refused = await readProject(path).then(
    () => assert.fail(`${path} was taken`),
    (error: unknown) => error,
  );
  assert(refused instanceof ProjectError, String(refused));
  return refused;
}

function literal(words: string): RegExp {
  return new RegExp(words.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}
