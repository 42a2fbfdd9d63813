/**
 * What `esteira drift` and `esteira profile` run, in their own process: tables compared without a project, a store or
 * Temporal. This file only wires; the work is in `activities/monitor/comparison`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareTables, reportOf, wantedOf } from '../activities/monitor/comparison/compare.ts';
import type { Sided } from '../activities/monitor/comparison/compare.ts';
import { compareSummaries, mergeSummaries } from '../activities/monitor/comparison/fast.ts';
import { profileTable } from '../activities/monitor/comparison/profile.ts';
import { detectIn } from '../activities/monitor/comparison/stream.ts';
import { summarise } from '../activities/monitor/comparison/summarise.ts';
import { isSummary, readSummary } from '../activities/monitor/comparison/summary-file.ts';
import { defaultRule } from '../activities/monitor/decide.ts';
import { openTable, TableFault } from '../activities/monitor/comparison/table.ts';
import type { DriftProgram, Summary } from '../contracts/drift.ts';
import { openDuckDb } from '../infra/duckdb.ts';
import type { DuckDb } from '../infra/duckdb.ts';

/** Beside some 150 MB for Node and DuckDB themselves; what needs more is spilled. */
const memory = '200MB';

export const program: DriftProgram = {
  drift: ({ reference, current, columns, fast, domain, ...given }) =>
    withEngine(async (db, folder) => {
      const rule = { ...defaultRule, ...given };
      const summaries = { reference: await isSummary(reference), current: await isSummary(current) };
      if (!fast && !summaries.reference && !summaries.current) {
        const tables = {
          reference: await openTable(db, reference, folder),
          current: await openTable(db, current, folder),
        };
        return compareTables(db, tables, columns, rule, domain);
      }
      if (domain)
        throw new TableFault(
          'a summary has no rows to tell apart as a whole; give two tables, without --fast',
        );
      const one = await summaryOf(db, reference, folder, { columns });
      const other = await summaryOf(db, current, folder, { columns, like: one.summary });
      const sides = { reference: one.summary, current: other.summary };
      return reportOf(
        'fast',
        { reference: one, current: other },
        { wanted: columns, rule },
        async ({ name }) => compareSummaries(sides, name),
      );
    }),

  detect: ({ path, column, detector }) =>
    withEngine(async (db, folder) => detectIn(db, await openTable(db, path, folder), column, detector)),

  profile: ({ path, columns }) =>
    withEngine(async (db, folder) => {
      const table = await openTable(db, path, folder);
      return profileTable(db, table, wantedOf(table, columns));
    }),

  summarise: ({ path, columns, like, merge }) =>
    withEngine(async (db, folder) => {
      const model = like ?? merge;
      const earlier = model === undefined ? undefined : await readSummary(model);
      const wanted = columns ?? earlier?.columns.map(({ name }) => name);
      const { summary } = await summaryOf(db, path, folder, { columns: wanted, like: earlier });
      return merge === undefined ? summary : mergeSummaries(earlier!, summary);
    }),
};

interface Wanted {
  columns: readonly string[] | undefined;
  like?: Summary | undefined;
}

async function summaryOf(
  db: DuckDb,
  path: string,
  folder: string,
  { columns, like }: Wanted,
): Promise<Sided & { summary: Summary }> {
  if (await isSummary(path)) {
    const summary = await readSummary(path);
    return { path, rows: summary.rows, columns: summary.columns, skipped: summary.skipped, summary };
  }
  const table = await openTable(db, path, folder);
  const known = like?.columns.map(({ name }) => name);
  const wanted = columns ? wantedOf(table, columns) : table.columns;
  const common = known ? wanted.filter(({ name }) => known.includes(name)) : wanted;
  return { ...table, summary: await summarise(db, table, common, like) };
}

async function withEngine<T>(use: (db: DuckDb, folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'esteira-drift-'));
  try {
    const db = await openDuckDb({ memory, threads: availableParallelism(), spillDir: folder });
    try {
      // Groups that are numbered by SMALLINT are found by their number, not by a hash: a third less time to count bins.
      await db.run('SET GLOBAL perfect_ht_threshold = 17');
      return await use(db, folder);
    } finally {
      await db.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
