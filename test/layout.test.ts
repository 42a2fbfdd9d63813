/**
 * The plan of the house, enforced: which folder may import which, how long a file may be, who reads the environment.
 * The linter says the same at the line; this says it of the whole tree, and of what no linter sees.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stages = 'ingest validate prepare train evaluate approve deploy monitor retrain'.split(' ');

/** What each folder may import of ours, and of others (absent: any package). */
const allowed: Record<string, { ours: string[]; packages?: string[] }> = {
  contracts: { ours: ['contracts'], packages: ['zod', '@temporalio/common'] },
  workflows: { ours: ['contracts', 'workflows'], packages: ['@temporalio/workflow', '@temporalio/common'] },
  activities: { ours: ['contracts', 'activities', 'infra'] },
  workers: { ours: ['contracts', 'activities', 'workflows', 'infra', 'workers'] },
  serving: { ours: ['contracts', 'infra', 'serving'] },
  client: { ours: ['contracts', 'workflows', 'infra', 'client'] },
  infra: { ours: ['contracts', 'infra'] },
};

/** The parts of infra that compute, and open nothing but our own code, so that an activity may call them itself. */
const pureInfra =
  /^infra\/(onnx\/.+|code-digest|hardware|sql|flat|duckdb|page\/.+|digest|errno|failpoint|local|untrusted-file|store\/json)\.m?[jt]s$/;

const sources = Object.keys(allowed).flatMap((folder) => filesUnder(folder));

test('imports point one way', () => {
  const wrong = sources.flatMap((file) => {
    const rule = allowed[file.split('/')[0]!]!;
    return importsOf(file)
      .filter(({ to }) => !permitted(rule, to))
      .map(({ to }) => `${file} imports ${to}`);
  });
  assert.deepEqual(wrong, []);
});

test('activities take what infra does as a dependency, and import only its types', () => {
  const wrong = filesUnder('activities').flatMap((file) =>
    importsOf(file)
      .filter(({ to, typeOnly }) => to.startsWith('infra/') && !typeOnly && !pureInfra.test(to))
      .map(({ to }) => `${file} imports values of ${to}`),
  );
  assert.deepEqual(wrong, []);
});

test('no source file is longer than 300 lines', () => {
  const long = [...sources, ...filesUnder('test'), ...filesUnder('bench')]
    .map((file) => `${file}: ${text(file).split('\n').length - 1}`)
    .filter((line) => Number(line.split(': ')[1]) > 300);
  assert.deepEqual(long, []);
});

test('no folder is named after nothing', () => {
  const vague = /(^|\/)(src|lib|utils?|common|helpers?|types|shared|misc)\//;
  assert.deepEqual(
    sources.filter((file) => vague.test(file)),
    [],
  );
});

test('only infra/config.ts reads the environment', () => {
  const readers = sources.filter((file) => /\bprocess\s*\.\s*env\b/.test(withoutComments(text(file))));
  assert.deepEqual(
    readers.filter((file) => file !== 'infra/config.ts'),
    [],
  );
});

test('no catch is empty', () => {
  assert.deepEqual(
    sources.filter((file) => /catch\s*(\([^)]*\))?\s*\{\s*\}/.test(withoutComments(text(file)))),
    [],
  );
});

test('a stage has its contract, its folder and its test', () => {
  const missing = stages
    .filter((stage) => existsSync(join(root, 'activities', stage)))
    .flatMap((stage) => [
      ...(existsSync(join(root, 'activities', stage, 'index.ts')) ? [] : [`activities/${stage}/index.ts`]),
      ...(filesUnder(`test/activities/${stage}`).some((file) => file.endsWith('.test.ts'))
        ? []
        : [`test/activities/${stage}/*.test.ts`]),
      ...(filesUnder('contracts').some((file) => new RegExp(`\\b${stage}\\b`).test(text(file)))
        ? []
        : [`${stage} in contracts/`]),
    ]);
  assert.deepEqual(missing, []);
});

function permitted(rule: { ours: string[]; packages?: string[] }, to: string): boolean {
  const folder = to.split('/')[0]!;
  if (folder in allowed || ['test', 'bench', 'examples'].includes(folder)) return rule.ours.includes(folder);
  return rule.packages?.some((name) => to === name || to.startsWith(`${name}/`)) ?? true;
}

/** Every static import and re-export: our own as a path from the root, others by name. */
function importsOf(file: string): { to: string; typeOnly: boolean }[] {
  const statement = /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
  return [...withoutComments(text(file)).matchAll(statement)].map(([, type, to]) => ({
    to: to!.startsWith('.') ? relative(root, join(root, dirname(file), to!)) : to!,
    typeOnly: type !== undefined,
  }));
}

function filesUnder(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `${folder}/${path}`)
    .toSorted();
}

function text(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}
