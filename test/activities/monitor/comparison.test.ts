/** Columns compared by DuckDB give what Evidently, SciPy and NannyML give for the same numbers. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compareTables } from '../../../activities/monitor/comparison/compare.ts';
import { openTable } from '../../../activities/monitor/comparison/table.ts';
import type { DriftReport } from '../../../contracts/drift.ts';
import { openDuckDb } from '../../../infra/duckdb.ts';
import type { DuckDb } from '../../../infra/duckdb.ts';
import { made } from '../../support/made-column.ts';
import type { Made } from '../../support/made-column.ts';
import reference from './statistics/reference.json' with { type: 'json' };

let folder: string;
let db: DuckDb;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'esteira-comparison-'));
  db = await openDuckDb({ memory: '256MB', threads: 2, spillDir: join(folder, 'spill') });
});
after(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

type Expected = Record<string, number | Record<string, number>>;
type Case = Expected & { columns: unknown };

async function csv(name: string, columns: Record<string, (string | number | null)[]>) {
  const path = join(folder, `${name}.csv`);
  const names = Object.keys(columns);
  const lines = columns[names[0]!]!.map((_, row) => names.map((one) => columns[one]![row] ?? '').join(','));
  await writeFile(path, [names.join(','), ...lines].map((line) => `${line}\n`).join(''));
  return openTable(db, path, folder);
}

async function compare(pair: unknown, text: boolean) {
  const [first, second] = pair as [Made, Made];
  // A second column, so that an empty line is not a row that is left out.
  const side = async (name: string, how: Made) => {
    const x = made(how).map((value) => (text && value !== null ? `v${value}` : value));
    return csv(name, { x, row: x.map((_, i) => i) });
  };
  const tables = { reference: await side('reference', first), current: await side('current', second) };
  return (await compareTables(db, tables, ['x'])).columns[0]!;
}

/** Relative, to 1e-9; and to 1e-12 beside 0, where the peers' own rounding shows. */
function near(actual: number, expected: number, what: string) {
  const off = Math.abs(actual - expected);
  assert.ok(off <= 1e-12 + 1e-9 * Math.abs(expected), `${what}: ${actual} is not ${expected}`);
}

function agree(found: DriftReport['columns'][number], expected: Expected, what: string) {
  for (const [name, value] of Object.entries(expected)) {
    if (name === 'columns') continue;
    const ours = found[name as keyof typeof found] as number | Record<string, number>;
    if (typeof value === 'number') near(ours as number, value, `${what} ${name}`);
    else
      for (const [part, one] of Object.entries(value))
        near((ours as Record<string, number>)[part]!, one, `${what} ${name}.${part}`);
  }
}

for (const [name, expected] of Object.entries(reference.numbers as unknown as Record<string, Case>))
  test(`numbers: ${name}`, async () => agree(await compare(expected.columns, false), expected, name));

for (const [name, expected] of Object.entries(reference.categories as unknown as Record<string, Case>))
  test(`categories: ${name}`, async () => agree(await compare(expected.columns, true), expected, name));
