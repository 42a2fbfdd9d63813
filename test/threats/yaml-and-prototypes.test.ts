/** Project files that burst, nest, or reach for prototypes: refused at their line, and nothing is run of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { exampleProject } from '../../client/template.ts';
import { ProjectError, readProject } from '../../infra/project-file.ts';

let root: string;
let outside: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-yaml-'));
  outside = `${root}.sql`;
  await writeFile(outside, 'SELECT 1');
  await symlink(outside, join(root, 'linked.sql'));
  execFileSync('mkfifo', [join(root, 'pipe.sql'), join(root, 'pipe.yaml')]);
});
after(async () => {
  await rm(outside);
  await rm(root, { recursive: true });
});

const good = exampleProject('orders')['esteira.yaml']!;
const file = () => join(root, 'esteira.yaml');
const swapped = (line: RegExp, other: string) => good.replace(line, other);
const features = (more: string) => good.replace('features:', `features:\n  ${more}`);

/** Each name stands for nine of the one before. */
function bomb(): string {
  const letters = 'bcdefghij'.split('');
  const layers = letters.map(
    (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[i]}`).join(', ')}]`,
  );
  return ['a: &a [x, x, x, x, x, x, x, x, x]', ...layers, good].join('\n');
}

const cases: [string, () => string, RegExp][] = [
  ['aliases of aliases', bomb, /its aliases come to more than 100/],
  ['an alias of nothing', () => `a: *b\n${good}`, /alias \*b has no anchor before it/],
  ['an alias of itself', () => `a: &a [*a]\n${good}`, /alias \*a has no anchor before it/],
  ['an alias of the whole', () => `&r\n${good}\nx: *r\n`, /alias \*r has no anchor before it/],
  ['100,000 lists in one another', () => `x: ${'['.repeat(1e5)}${']'.repeat(1e5)}`, /nest deeper than 50/],
  [
    '5,000 maps in one another',
    () => `x: ${'{a: '.repeat(5_000)}1${'}'.repeat(5_000)}`,
    /nest deeper than 50/,
  ],
  ['60 lists in one another', () => `${good}\nx: ${'['.repeat(60)}${']'.repeat(60)}`, /nest deeper than 50/],
  [
    'a block that goes right for ever',
    () => Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    /nest deeper than 50/,
  ],
  ['fifty megabytes', () => `${good}\n#${'x'.repeat(50e6)}`, /bytes; at most 1048576 are read/],
  [
    '90,000 fields',
    () => good + Array.from({ length: 90_000 }, (_, i) => `k${i}: 1`).join('\n'),
    /k0 unknown field/,
  ],
  ['a field twice', () => `${good}\nowner: b\n`, /Map keys must be unique/],
  ['a field twice, deep inside', () => features('z: { log: true, log: false }'), /Map keys must be unique/],
  ['two documents', () => `${good}\n---\n${good}`, /multiple documents/],
  ['__proto__', () => `${good}\n__proto__: { polluted: true }\n`, /__proto__ is no name for a field/],
  ['__proto__ as a feature', () => features('__proto__: { polluted: true }'), /__proto__ is no name/],
  ['__proto__ in quotes', () => features('"__proto__": { polluted: true }'), /__proto__ is no name/],
  [
    'a constructor',
    () => `${good}\nconstructor: { prototype: { polluted: true } }\n`,
    /constructor is no name/,
  ],
  [
    'a prototype, merged',
    () => `x: &x { __proto__: { polluted: 1 } }\n<<: *x\n${good}`,
    /__proto__ is no name/,
  ],
  ['a function as a tag', () => `${good}\nx: !!js/function "function () { throw 1 }"\n`, /Unresolved tag/],
  [
    'a call as a tag',
    () => swapped(/owner: .*/, 'owner: !!python/object/apply:os.system ["id"]'),
    /Unresolved tag/,
  ],
  ['a tag of its own', () => swapped(/owner: .*/, 'owner: !secret x'), /Unresolved tag/],
  ['nothing', () => '', /the project is empty/],
  ['a list', () => '- a', /expected object/],
  ['a number that is none', () => swapped(/window: .*/, 'window: 1e400'), /window is/],
  ['a model that is a path', () => swapped(/model: .*/, 'model: ../../etc'), /model is "..\/..\/etc"/],
  ['a model that is encoded', () => swapped(/model: .*/, 'model: "%2e%2e"'), /model is/],
  [
    'a source that is SQL',
    () => good.replace(/(sources:\n\s+)orders/, `$1"x; DROP TABLE y"`),
    /no good name|unknown/,
  ],
  [
    'a query from outside',
    () => swapped(/query: .*/, 'query: ../../../../../../tmp/x.sql'),
    /file outside the project's folder/,
  ],
  [
    'a query that is a link',
    () => swapped(/query: .*/, 'query: linked.sql'),
    /file outside the project's folder/,
  ],
  ['a query that is a pipe', () => swapped(/query: .*/, 'query: pipe.sql'), /no plain file/],
];
for (const [what, text, says] of cases) {
  test(`a project is refused with ${what}`, { timeout: 160_000 }, async () => {
    await writeFile(file(), text());
    const before = process.memoryUsage.rss();
    const error = await refused(root);
    assert.match(error.message, says);
    assert(error.message.length < 5_000 && !error.message.includes('    at '), 'a sentence, not a stack');
    assert(process.memoryUsage.rss() - before < 400e6);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });
}
test('a project file that is a pipe or a folder is refused, not waited for', { timeout: 5_000 }, async () => {
  assert.match((await refused(join(root, 'pipe.yaml'))).message, /no plain file/);
  assert.match((await refused('/dev/zero')).message, /no plain file/);
});

test('the project they are made of is read, with an anchor used twice', async () => {
  await writeFile(join(root, 'orders.sql'), 'SELECT 1');
  await writeFile(file(), good);
  const { project } = await readProject(root);
  assert.equal(project.model, 'orders');
  assert.equal(Object.getPrototypeOf(project.features), Object.prototype);
});

async function refused(path: string): Promise<ProjectError> {
  const error: unknown = await readProject(path).then(
    () => assert.fail('the project was accepted'),
    (thrown: unknown) => thrown,
  );
  assert(error instanceof ProjectError, String(error));
  return error;
}
