/** Every declared check on rows that break it, tolerance, severity, schema, and the profile's numbers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createIngest } from '../../../activities/ingest/index.ts';
import { createValidate } from '../../../activities/validate/index.ts';
import { Profile } from '../../../contracts/dataset.ts';
import { failedWith } from '../../../contracts/failures.ts';
import type { BrokenCheck } from '../../../contracts/lifecycle.ts';
import { recordKey, StageRecord } from '../../../activities/record.ts';
import { readJson, readJsonBlob } from '../../../infra/store/json.ts';
import { csv, january, openBench, project } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
before(async () => (bench = await openBench()));
after(() => bench.close());

type Checks = NonNullable<Parameters<typeof project>[0]>['checks'];

async function validate(checks: Checks, text: string, change: Parameters<typeof project>[0] = {}) {
  await bench.write('rows.csv', text);
  const pinned = await bench.pin(project({ checks, ...change }));
  const common = { lifecycleId: 'lifecycle/m/1', project: pinned };
  const dataset = await bench.run(createIngest(bench.deps).ingest, { ...common, window: january });
  return bench.run(createValidate(bench.deps).validate, { ...common, dataset });
}

test('good rows pass every check', async () => {
  const checked = await validate(
    [
      { check: 'not-null', column: 'x' },
      { check: 'range', column: 'x', min: 0, max: 1 },
      { check: 'allowed', column: 'city', values: ['ATL', 'DEN', 'JFK'] },
      { check: 'regex', column: 'city', pattern: '[A-Z]{3}' },
      { check: 'unique', columns: ['id'] },
      { check: 'row-count', min: 100, max: 4_464 },
      { check: 'freshness', within: '1d' },
      { check: 'sql', name: 'x is known', holds: 'x IS NOT NULL' },
    ],
    csv(4_464),
  );
  assert.deepEqual(checked.broken, []);
  assert.equal(checked.passed, true);
});

test('each check names what broke it, how often, and shows the rows', async () => {
  const bad = [
    'r0,2001-01-20 00:00:00,0.5,ATL,0',
    'n,2001-01-20 00:00:00,,ATL,0',
    'h,2001-01-20 00:00:00,7,ATL,0',
    'c,2001-01-20 00:00:00,0.5,atlanta,0',
  ];
  const { broken, passed } = await validate(
    [
      { check: 'not-null', column: 'x' },
      { check: 'range', column: 'x', max: 1 },
      { check: 'allowed', column: 'city', values: ['ATL', 'DEN', 'JFK'] },
      { check: 'regex', column: 'city', pattern: '[A-Z]{3}' },
      { check: 'unique', columns: 'id' },
      { check: 'row-count', max: 10 },
      { check: 'freshness', within: '1d' },
      { check: 'sql', name: 'small', holds: 'x < 2', severity: 'warn' },
    ],
    csv(100, bad),
  );
  assert.equal(passed, false);
  assert.deepEqual(
    broken.map(({ check, count }) => [check, count]),
    [
      ['not-null(x)', 1],
      ['range(x)', 1],
      ['allowed(city)', 1],
      ['regex(city)', 1],
      ['unique(id)', 2],
      ['row-count', 104],
      ['freshness', 104],
      ['small', 1],
    ],
  );
  assert(
    broken.every(({ examples }) => examples.length === 0),
    'rows do not travel through Temporal',
  );
  const record = await readJson(bench.store, recordKey('lifecycle/m/1', 'validate'), StageRecord);
  const filed = record!.value.details['broken'] as BrokenCheck[];
  assert.equal(filed[1]!.examples[0]!['id'], 'h');
  assert.equal(filed[4]!.examples.length, 2);
});

test('a tolerated share passes; a warning does not stop the run', async () => {
  const row = 'h,2001-01-20 00:00:00,7,ATL,0';
  const range = { check: 'range', column: 'x', max: 1 } as const;
  assert.equal((await validate([{ ...range, tolerate: 0.01 }], csv(100, [row]))).broken.length, 0);
  const warned = await validate([{ ...range, severity: 'warn' }], csv(100, [row]));
  assert.equal(warned.passed, true);
  assert.equal(warned.broken.length, 1);
});

test('a check on a column that is not there is a permanent failure', async () => {
  await assert.rejects(validate([{ check: 'not-null', column: 'nope' }], csv(10)), (error) =>
    failedWith(error, 'MissingColumn'),
  );
});

test('a column that changes under the same query stops the run; under a new query it warns', async () => {
  const model = { model: 'schema', label: 'x' };
  await validate([], csv(100), model);
  const changed = csv(100).replaceAll(/,([01])$/gm, ',yes');
  const under = await validate([], changed, model);
  assert.equal(under.passed, false);
  assert.match(under.broken[0]!.detail, /column y was integer, is boolean/);
  const meant = await validate([], changed, { ...model, query: 'SELECT * FROM event' });
  assert.equal(meant.passed, true);
  assert.equal(meant.broken[0]!.severity, 'warn');
});

test('the profile counts what is there', async () => {
  const { profile } = await validate([], csv(1_700, ['n,2001-01-20 00:00:00,,ATL,0']));
  const { rows, columns } = await readJsonBlob(bench.store, profile, Profile);
  const x = columns.find(({ name }) => name === 'x')!;
  const city = columns.find(({ name }) => name === 'city')!;
  assert.equal(rows, 1_701);
  assert.equal(x.nulls, 1);
  assert.equal(x.min, 0);
  assert.ok(Math.abs(x.mean! - 8 / 17) < 1e-12);
  assert.ok(Math.abs(x.std! - Math.sqrt((17 * 17 - 1) / 12) / 17) < 1e-12);
  assert.equal(
    x.histogram!.reduce((sum, n) => sum + n, 0),
    1_700,
  );
  assert.deepEqual(city.top![0], { value: 'ATL', count: 568 });
});
