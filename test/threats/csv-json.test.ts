/** CSV and JSON as they come: broken ones are refused with their line, strange ones are read as what they say. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { DatasetManifest } from '../../contracts/dataset.ts';
import { readJsonBlob } from '../../infra/store/json.ts';
import { csv } from '../support/stage.ts';
import { openSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
before(async () => (sandbox = await openSandbox()));
after(() => sandbox.close());

const good = csv(50);
const at = '2001-01-02 00:00:00';
const row = (x: string, city = 'ATL') => `r99,${at},${x},${city},1\n`;

/** The good rows with so many more columns. */
function wide(more: number): string {
  const [header, ...rows] = good.trimEnd().split('\n');
  const names = Array.from({ length: more }, (_, i) => `c${i}`).join(',');
  const ones = Array.from({ length: more }, () => '1').join(',');
  return [`${header},${names}`, ...rows.slice(0, 2).map((line) => `${line},${ones}`), ''].join('\n');
}

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

const broken: [string, () => string | Uint8Array, RegExp][] = [
  [
    'bytes that are no UTF-8',
    () => bytes(good, `r9,${at},1,`, [0xff, 0xfe, 0xc0], ',1\n'),
    /Line: 52.*not utf-8/,
  ],
  ['UTF-16', () => Buffer.from(`\ufeff${good}`, 'utf16le'), /holds a NUL; is it UTF-16/],
  ['a NUL in the header', () => good.replace('city', 'ci\0ty'), /holds a NUL/],
  [
    'line ends of two kinds',
    () => good.replaceAll(/\n/g, (_, i: number) => (i % 2 === 0 ? '\n' : '\r\n')),
    /cannot be read/,
  ],
  ['a quote that does not close', () => `${good}r9,${at},1,"ATL,1\n${row('1')}`, /cannot be read/],
  ['a million quotes', () => `${good}${'"'.repeat(1e6)}`, /cannot be read/],
  ['20,000 columns', () => wide(20_000), /columns or more; at most 10000/],
  ['a million columns', () => wide(1_000_000), /columns or more; at most 10000/],
  ['20,000 columns, compressed', () => wide(20_000), /columns or more; at most 10000/],
  ['a header without end', () => 'x'.repeat(5_000_000), /first line has more than 1048576 bytes/],
  ['a field of 5 MB', () => good + row('1', 'x'.repeat(5_000_000)), /cannot be read/],
  ['a row that is short', () => `${good}r9,${at}\n`, /Line: 52.*Expected Number of Columns: 5 Found: 2/],
  [
    'a row that is long',
    () => `${good}r9,${at},1,ATL,1,2,3\n`,
    /Line: 52.*Expected Number of Columns: 5 Found/,
  ],
  ['a name twice', () => good.replace('city', 'X'), /header names x twice/],
  ['bytes of anything', () => Buffer.alloc(100_000, 0x80), /not utf-8/],
];
for (const [what, content, says] of broken) {
  test(`a CSV is refused with ${what}`, { timeout: 160_000 }, async () => {
    const packed = what.endsWith('compressed');
    const name = packed ? 'bad.csv.gz' : 'bad.csv';
    await sandbox.write(name, packed ? gzipSync(content()) : content());
    await sandbox.refuses({ sources: { event: { path: name } } }, 'UnreadableSource', says);
  });
}

test('what is no CSV at all has none of the columns', async () => {
  for (const content of ['', '\n'.repeat(1_000), 'PK\u0003\u0004', '<html></html>', '{"id": 1}']) {
    await sandbox.write('bad.csv', content);
    await sandbox.refuses({ sources: { event: { path: 'bad.csv' } } }, 'QueryFailed', /"seen" not found/);
  }
  await sandbox.write('bad.csv.gz', 'no gzip');
  const source = { sources: { event: { path: 'bad.csv.gz' } } };
  await sandbox.refuses(source, 'UnreadableSource', /no gzip data/);
});

/** Read as they are; whether they are good data is for `validate` to say. */
const strange: [string, string, string, string][] = [
  ['a byte order mark', `\ufeff${good}`, 'id', 'string'],
  ['line ends of Windows', good.replaceAll('\n', '\r\n'), 'y', 'integer'],
  ['a header that is a prototype', good.replace('city', '__proto__'), '__proto__', 'string'],
  ['a header that is a constructor', good.replace('city', 'constructor'), 'constructor', 'string'],
  [
    'a header that is SQL',
    good.replace('city', `"a'; DROP TABLE event; --"`),
    `a'; DROP TABLE event; --`,
    'string',
  ],
  ['a formula', good + row('1', `"=cmd|' /C calc'!A0"`), 'city', 'string'],
  ['a NUL in a field', good + row('1', 'A\0B'), 'city', 'string'],
  ['not a number', good + row('NaN'), 'x', 'number'],
  ['more than a double holds', good + row('1e400'), 'x', 'number'],
  ['an integer beyond 2^53', good.replaceAll(/,0\.\d+,/g, ',9007199254740993,'), 'x', 'number'],
];
for (const [what, content, column, type] of strange) {
  test(`a CSV is read with ${what}`, async () => {
    await sandbox.write('rows.csv', content);
    const dataset = await sandbox.ingest();
    const manifest = await readJsonBlob(sandbox.bench.store, dataset.manifest, DatasetManifest);
    const found = manifest.columns.find(({ name }) => name === column);
    assert(found, JSON.stringify(manifest.columns));
    if (what !== 'an integer beyond 2^53') assert.equal(found.type, type);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });
}

const line = `{"id":"a","seen":"${at}","x":1,"city":"ATL","y":0`;
const json: [string, () => string | Uint8Array, RegExp][] = [
  [
    'nested a hundred thousand deep',
    () => `${line},"z":${'['.repeat(1e5)}${']'.repeat(1e5)}}\n`,
    /nest 101 deep or deeper/,
  ],
  [
    'of objects in one another',
    () => `${'{"a":'.repeat(1e5)}1${'}'.repeat(1e5)}\n`,
    /nest 101 deep or deeper/,
  ],
  ['that only opens', () => '['.repeat(5e6), /nest 101 deep or deeper/],
  [
    'that nests behind a quote',
    () => `${line},"z":"\\"","q":${'['.repeat(200)}${']'.repeat(200)}}\n`,
    /nest 101 deep/,
  ],
  ['cut in the middle', () => `${line}}\n${line}`, /cannot be read|fails/],
  ['of no JSON', () => 'id: a\nseen: b\n', /cannot be read/],
  ['of no UTF-8', () => bytes(`${line},"z":"`, [0xff, 0xfe], '"}\n'), /cannot be read/],
  [
    'with a text of 20 MB',
    () => `${line},"z":"${'x'.repeat(20e6)}"}\n`,
    /text in it has more than 4194304 bytes/,
  ],
];
for (const [what, content, says] of json) {
  test(`JSON is refused ${what}`, { timeout: 160_000 }, async () => {
    await sandbox.write('bad.json', content());
    const change = { sources: { event: { path: 'bad.json' } } };
    await sandbox.refuses(change, 'UnreadableSource', says);
    await sandbox.write('bad.json.gz', gzipSync(content()));
    await sandbox.refuses({ sources: { event: { path: 'bad.json.gz' } } }, 'UnreadableSource', says);
  });
}

test('brackets in a text are text, and keys of a prototype are columns', async () => {
  await sandbox.write('ok.json', `${line},"z":"${'['.repeat(1_000)}","__proto__":"p"}\n`);
  assert.equal((await sandbox.ingest({ sources: { event: { path: 'ok.json' } } })).rows, 1);
});
