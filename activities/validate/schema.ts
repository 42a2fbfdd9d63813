/** The schema of this version against the last good one: what went, what came, what changed type. */
import type { DatasetManifest } from '../../contracts/dataset.ts';
import type { BrokenCheck } from '../../contracts/lifecycle.ts';

/**
 * A change under the same query means that a source changed under us: an error. A new query means
 * that somebody meant it: a warning. The first version has nothing to differ from.
 */
export function compareSchemas(lastGood: DatasetManifest | undefined, now: DatasetManifest): BrokenCheck[] {
  if (!lastGood) return [];
  const severity = lastGood.queryDigest === now.queryDigest ? 'error' : 'warn';
  const before = new Map(lastGood.columns.map(({ name, type }) => [name, type]));
  const after = new Map(now.columns.map(({ name, type }) => [name, type]));
  const changes = [
    ...[...before.keys()].filter((name) => !after.has(name)).map((name) => `column ${name} is gone`),
    ...[...after.keys()].filter((name) => !before.has(name)).map((name) => `column ${name} is new`),
    ...[...after]
      .filter(([name, type]) => before.has(name) && before.get(name) !== type)
      .map(([name, type]) => `column ${name} was ${before.get(name)}, is ${type}`),
  ];
  if (changes.length === 0) return [];
  const detail = changes.join('; ').slice(0, 500);
  return [{ check: 'schema', severity, count: changes.length, of: now.columns.length, detail, examples: [] }];
}
