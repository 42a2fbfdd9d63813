/** The prediction log's many files made few: no row is lost, none is counted twice, at whatever point it is cut short. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMonitor } from '../../../activities/monitor/index.ts';
import { armFailpoints } from '../../../infra/failpoint.ts';
import { openBench } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

const before = '2001-02-03T10:00:00.000Z';

/** Twelve files of five rows on the first day, of two versions whose columns differ; two on the second; six on the last. */
async function fill(bench: Bench): Promise<void> {
  const db = await bench.deps.openDuckDb(bench.folder);
  for (const [day, files] of [
    ['2001-02-01', 12],
    ['2001-02-02', 2],
    ['2001-02-03', 6],
  ] as const) {
    for (let file = 0; file < files; file++) {
      const version = file % 2 === 0 ? 1 : 2;
      const path = `${bench.folder}/${day}-${file}.parquet`;
      const id = `'${day}/${file}/' || i AS id, TIMESTAMP '${day} 12:00:00' + INTERVAL (i) SECOND AS time`;
      const column = version === 1 ? 'i AS in_x' : `'a' AS in_city`;
      await db.run(
        `COPY (SELECT ${id}, ${version} AS version, 'champion' AS route, ${column} FROM range(5) t(i)) TO '${path}' (FORMAT parquet)`,
      );
      const key = `predictions/m/${day}/12/one-1-${String(file).padStart(6, '0')}-v${version}.parquet`;
      await bench.store.createFromFile(key, path, 'application/vnd.apache.parquet');
    }
  }
  await db.close();
}

async function keysOf(bench: Bench, day = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of bench.store.list(`predictions/m/${day}`)) keys.push(key);
  return keys;
}

async function idsOf(bench: Bench): Promise<string[]> {
  const paths = [];
  for (const key of await keysOf(bench)) paths.push(`'${await bench.store.localKey(key)}'`);
  const db = await bench.deps.openDuckDb(bench.folder);
  const rows = await db.rows<{ id: string }>(
    `SELECT id FROM read_parquet([${paths.join(', ')}], union_by_name = true) ORDER BY id`,
  );
  await db.close();
  return rows.map(({ id }) => id);
}

function compactor(bench: Bench) {
  const deps = { ...bench.deps, post: async () => {}, log: { warn: () => {} } };
  return () => bench.run(createMonitor(deps).compact, { model: 'm', before });
}

test('a day that is over becomes one file a version; few files, and today, stay as they are', async () => {
  const bench = await openBench();
  await fill(bench);
  const rows = await idsOf(bench);
  const compact = compactor(bench);
  assert.deepEqual(await compact(), { days: 1, files: 12, into: 2 });
  assert.deepEqual(await idsOf(bench), rows);
  assert.match(
    (await keysOf(bench, '2001-02-01')).join(),
    /^\S+\/day\/[0-9a-f]{16}-v[12]\.parquet,\S+\/day\/[^,]+$/,
  );
  assert.equal((await keysOf(bench, '2001-02-02')).length, 2);
  assert.equal((await keysOf(bench, '2001-02-03')).length, 6);
  assert.deepEqual(await compact(), { days: 0, files: 0, into: 0 });
  await bench.close();
});

for (const point of ['monitor:merged', 'monitor:compacted', 'store:deleted'] as const) {
  test(`cut short at ${point}, the next run ends with each row once`, async () => {
    const bench = await openBench();
    await fill(bench);
    const rows = await idsOf(bench);
    const compact = compactor(bench);
    armFailpoints(`${point}:throw@${point === 'store:deleted' ? 2 : 1}`);
    await assert.rejects(compact());
    armFailpoints(undefined);
    assert.deepEqual([...new Set(await idsOf(bench))], rows);
    await compact();
    assert.deepEqual(await idsOf(bench), rows);
    assert((await keysOf(bench, '2001-02-01')).length <= 3);
    await bench.close();
  });
}
