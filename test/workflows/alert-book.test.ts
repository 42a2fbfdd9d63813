/** The rules of the book alone: what opens, what is the same, what closes, and who may say what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Book, Finding, Findings } from '../../contracts/alerts.ts';
import { AlertBook } from '../../workflows/alert-book.ts';

const dayMs = 86_400_000;
const day = (n: number) => new Date(Date.UTC(2001, 1, n)).toISOString();

function open(settings: Partial<Book['settings']> = {}) {
  const book = new AlertBook({
    ...{ model: 'm', revision: 0, nextId: 1, alerts: [], ticks: [], judgedUntil: {}, untold: 0 },
    settings: {
      ...{ owner: 'ana', remindMs: 3 * dayMs, quietTicks: 1, reopenWithinMs: 2 * dayMs, sinks: [] },
      ...settings,
    },
  });
  const tick = (n: number, found: Finding[] = [], change: Partial<Findings> = {}) => {
    const window = { from: day(n - 1), until: day(n) };
    const judged: Findings['judged'] = ['drift', 'quality'];
    book.observe({ tick: `t${n}`, window, findings: found, judged, ...change }, day(n));
    return book.taken().changes.map(({ change: what, alert }) => `${what} ${alert.id}`);
  };
  const one = (id = 1) => book.book.alerts.find((alert) => alert.id === id)!;
  return { book, tick, one };
}

const x: Finding = { key: 'drift/x', kind: 'drift', severity: 'warning', message: 'x has drifted' };
const y: Finding = { ...x, key: 'drift/y', message: 'y has drifted' };

test('it opens once, counts while it lasts, and closes when it is not found', () => {
  const { tick, one } = open();
  assert.deepEqual(tick(1, [x]), ['opened 1']);
  assert.deepEqual(tick(2, [{ ...x, message: 'x has drifted more' }, y]), ['updated 1', 'opened 2']);
  const { count, since, last, message } = one();
  assert.deepEqual([count, since, last, message], [2, day(0), day(2), 'x has drifted more']);
  assert.deepEqual(tick(3, [x]), ['closed 2', 'updated 1']);
  assert.deepEqual(tick(4), ['closed 1']);
  assert.equal(one().closedAt, day(4));
});

test('a tick that is told twice changes nothing', () => {
  const { tick, one } = open();
  tick(1, [x]);
  assert.deepEqual(tick(1, [x, y]), []);
  assert.equal(one().count, 1);
});

test('what could not be judged is neither over nor late', () => {
  const { tick, one } = open();
  tick(1, [x]);
  assert.deepEqual(tick(2, [], { judged: ['quality'] }), []);
  assert.equal(one().state, 'open');
  assert.deepEqual(tick(3), ['closed 1']);
});

test('one that flaps stays the same alert, and takes longer to close each time', () => {
  const { tick, one } = open();
  const told = Array.from({ length: 12 }, (_, i) => tick(i + 1, i % 2 === 0 ? [x] : [])).flat();
  assert.deepEqual(
    told.filter((what) => !what.startsWith('updated') && !what.startsWith('reminded')),
    ['opened 1', 'closed 1', 'reopened 1'],
  );
  assert.equal(one().reopened, 1);
});

test('found again after long, it is another alert', () => {
  const { tick, one } = open();
  tick(1, [x]);
  tick(2);
  assert.deepEqual(tick(6, [x]), ['opened 2']);
  assert.equal(one(), undefined, 'the book keeps what is closed for long');
});

test('a project may ask for more quiet ticks', () => {
  const { tick } = open({ quietTicks: 2 });
  tick(1, [x]);
  assert.deepEqual([tick(2), tick(3)], [[], ['closed 1']]);
});

test('a tick of a backfill never opens nor closes what a later tick has judged', () => {
  const { tick, one } = open();
  tick(5, [x]);
  assert.deepEqual(tick(2), []);
  assert.deepEqual(tick(3, [x, y]), []);
  assert.deepEqual([one().count, one().since, one().last, one().state], [2, day(2), day(5), 'open']);
  assert.equal(one(2), undefined);
  tick(6);
  assert.deepEqual(tick(4, [x]), []);
  assert.equal(one().state, 'closed');
});

test('it is told again when it is worse, and when nobody has acknowledged it for long', () => {
  const { book, tick, one } = open();
  tick(1, [x]);
  assert.deepEqual(tick(2, [{ ...x, severity: 'critical' }]), ['raised 1']);
  assert.deepEqual(tick(3, [{ ...x, severity: 'info' }]), ['updated 1']);
  assert.deepEqual([one().severity, one().peak], ['info', 'critical']);
  assert.deepEqual([tick(4, [x]), tick(5, [x])], [['updated 1'], ['reminded 1']]);
  book.acknowledge({ alert: 1, by: 'bob', reason: 'looking' }, day(5));
  book.taken();
  assert.deepEqual(tick(9, [x]), ['updated 1']);
});

test('a snooze is over at its time, and the next tick says so', () => {
  const { book, tick, one } = open({ remindMs: dayMs });
  tick(1, [x]);
  const order = { alert: 'drift/x', by: 'bob', reason: 'known' };
  assert.equal(book.snooze({ ...order, until: day(1) }, day(1)).accepted, false);
  assert.equal(book.snooze({ ...order, until: day(4) }, day(1)).accepted, true);
  book.taken();
  assert.deepEqual(
    [tick(2, [x]), tick(3, [x]), tick(4, [x])],
    [['updated 1'], ['updated 1'], ['reminded 1']],
  );
  assert.deepEqual([one().state, one().snoozedUntil], ['open', null]);
});

test('what a person has closed stays closed until a tick has not found it', () => {
  const { book, tick, one } = open();
  tick(1, [x]);
  const order = { alert: 'drift/x', by: 'bob', reason: 'meant so' };
  assert.equal(book.close(order, day(1)).accepted, true);
  assert.deepEqual(
    book.taken().changes.map(({ change }) => change),
    ['closed'],
  );
  assert.deepEqual([tick(2, [x]), tick(9, [x])], [[], []]);
  assert.equal(one().by, 'bob');
  assert.deepEqual([tick(10), tick(11, [x])], [[], ['opened 2']]);
});

test('what is not there, or is over, is refused with a reason', () => {
  const { book, tick } = open();
  tick(1, [x]);
  tick(2);
  const by = { by: 'bob', reason: 'r' };
  const said = [
    book.close({ alert: 1, ...by }, day(2)),
    book.acknowledge({ alert: 'drift/z', ...by }, day(2)),
  ];
  assert.deepEqual(
    said.map((answer) => !answer.accepted && [answer.code, answer.detail]),
    [
      ['closed', 'alert 1 is closed'],
      ['unknown-alert', 'm has no open alert drift/z'],
    ],
  );
});

test('the book stays small: what finds no room is counted, worst first', () => {
  const { book, tick } = open();
  const many = Array.from({ length: 70 }, (_, i): Finding => ({ ...x, key: `drift/${i}` }));
  tick(1, many);
  tick(2, [
    ...many.map((one) => ({ ...one, key: `${one.key}/b` })),
    ...many.slice(0, 30),
    { ...x, key: 'drift/bad', severity: 'critical' as const },
  ]);
  assert.equal(book.active.length, 100);
  assert.equal(book.book.untold, 1);
  assert(book.active.some(({ key }) => key === 'drift/bad'));
  assert(JSON.stringify(book.book).length < 64 * 1_024, `${JSON.stringify(book.book).length} bytes`);
});
