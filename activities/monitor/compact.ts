/**
 * Makes a few files of a day's many: replicas write one every some seconds, and a year of those is slow to read.
 *
 * The new file is there before the old ones go, so who reads meanwhile may see a row twice, as after a call that was
 * repeated, and counts it once by its id. A run that is cut short leaves both; the next one makes one of them, for rows
 * that are equal in every column are one. Who had listed the old files, and finds one gone, lists again.
 */
import { Context } from '@temporalio/activity';
import type { Compaction } from '../../contracts/monitor.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import { sha256 } from '../../infra/digest.ts';
import { failpoint } from '../../infra/failpoint.ts';
import type { Listed, Store } from '../../infra/store/store.ts';

/** Fewer are left alone: a few files a day are what is wanted. */
const filesAtLeast = 4;
/** Of one new file: its rows are sorted out in memory. */
const bytesAtMost = 128 * 1024 * 1024;
/** Of one call; the next tick goes on. */
const daysAtMost = 31;

/** @param before days that ended before this moment, ISO 8601 UTC: replicas may still write to later ones */
export async function compactLog(
  store: Store,
  db: DuckDb,
  folder: string,
  { model, before }: { model: string; before: string },
): Promise<Compaction> {
  const prefix = `predictions/${model}/`;
  const days = new Map<string, Listed[]>();
  for await (const listed of store.list(prefix)) {
    const day = listed.key.slice(prefix.length, prefix.length + 10);
    if (day < before.slice(0, 10)) days.set(day, [...(days.get(day) ?? []), listed]);
  }
  const many = [...days].filter(([, files]) => files.length >= filesAtLeast).slice(0, daysAtMost);
  const done: Compaction = { days: 0, files: 0, into: 0 };
  for (const [day, files] of many) {
    for (const group of groupsOf(files)) {
      await merge(store, db, folder, { prefix: `${prefix}${day}/`, keys: group });
      done.files += group.length;
      done.into++;
      Context.current().heartbeat(done);
    }
    done.days++;
  }
  return done;
}

/** Of one version each, whose columns are its own, in order, as large as may be. One file alone is no group. */
function groupsOf(files: readonly Listed[]): string[][] {
  const byVersion = new Map<string, Listed[]>();
  for (const file of files) {
    const version = versionOf(file.key);
    byVersion.set(version, [...(byVersion.get(version) ?? []), file]);
  }
  return [...byVersion.values()].flatMap((ofVersion) => {
    const groups: { keys: string[]; bytes: number }[] = [];
    for (const { key, bytes } of ofVersion) {
      const last = groups.at(-1);
      if (last && last.bytes + bytes <= bytesAtMost) {
        last.keys.push(key);
        last.bytes += bytes;
      } else groups.push({ keys: [key], bytes });
    }
    return groups.filter(({ keys }) => keys.length > 1).map(({ keys }) => keys);
  });
}

/** `…/one-17-000001-v3.parquet` → `v3` */
function versionOf(key: string): string {
  return /-(v[0-9]+)\.parquet$/.exec(key)?.[1] ?? '';
}

async function merge(
  store: Store,
  db: DuckDb,
  folder: string,
  { prefix, keys }: { prefix: string; keys: readonly string[] },
): Promise<void> {
  const paths: string[] = [];
  for (const key of keys) paths.push(await store.localKey(key));
  const path = `${folder}/compacted.parquet`;
  await db.run(
    `COPY (SELECT DISTINCT * FROM read_parquet([${paths.map(quoteLiteral).join(', ')}], union_by_name = true)
      ORDER BY time, id) TO ${quoteLiteral(path)} (FORMAT parquet, COMPRESSION zstd)`,
  );
  // Named by what it is made of: a second try makes the same file.
  const name = `${sha256(keys.join('\n')).slice(0, 16)}-${versionOf(keys[0]!) || 'v0'}`;
  await failpoint('monitor:merged');
  await store.createFromFile(`${prefix}day/${name}.parquet`, path, 'application/vnd.apache.parquet');
  await failpoint('monitor:compacted');
  for (const key of keys) await store.delete(key);
}
