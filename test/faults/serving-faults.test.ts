/** The prediction log when the server dies, or fails, at each of its failpoints. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { inferBody, makePlace, post } from '../support/server.ts';
import type { Place } from '../support/server.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { until } from '../support/until.ts';

let place: Place;
beforeEach(async () => {
  place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
});
afterEach(async () => {
  delete process.env['ESTEIRA_FAULT'];
  await place.remove();
});

const places = [
  ...(['serving:opened', 'serving:append', 'serving:appended', 'serving:rotated'] as const),
  ...(['serving:shipping', 'serving:part', 'serving:stored', 'serving:shipped'] as const),
];

for (const point of places) {
  test(
    `killed at ${point}: what was answered is stored once, and no file is left`,
    { timeout: 480_000 },
    async () => {
      const { child, url } = await start(`${point}:kill@${point === 'serving:append' ? 2 : 1}`);
      const answered = await load(url);
      assert.equal((await child.exited).signal, 'SIGKILL');
      await mended(answered);
    },
  );
}

test('rows whose journal fails are refused, and the next ones are safe', { timeout: 480_000 }, async () => {
  const { child, url } = await start('serving:opened:throw,serving:append:throw,serving:appended:throw');
  const infer = async (id: string, rows = 1) =>
    (await post(`${url}/v2/models/flights/infer`, inferBody(rows, { id }))).status;
  for (const id of ['opened', 'append', 'appended']) assert.equal(await infer(id), 500, id);
  assert.equal(await infer('many', 10_000), 200);
  await until(async () => (await waiting(url)) === 0); // none of them stays in the count
  await child.kill();
  await mended([Array.from({ length: 10_000 }, (_, i) => `many/${i}`)]);
});

test('a journal that cannot be shipped is tried again', { timeout: 480_000 }, async () => {
  const { child, url, log } = await start('serving:stored:throw,serving:shipped:throw');
  const answered = await load(url);
  await until(async () => (await waiting(url)) === 0);
  await child.kill();
  assert.match(log.join('\n'), /failpoint serving:stored[^]*failpoint serving:shipped/);
  await mended(answered);
});

test('a server that is stopped after failed tries tries once more', { timeout: 480_000 }, async () => {
  const { child, url, log } = await start('serving:shipping:throw,serving:part:throw');
  const answered = await load(url);
  await until(() => log.some((line) => line.includes('serving:part'))); // now it pauses for two seconds or more
  await child.kill();
  const left = (await readdir(join(place.root, 'serving', 'one'))).filter((name) => name !== 'spill');
  assert.deepEqual(left, []);
  await mended(answered);
});

async function waiting(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^esteira_serving_journals_waiting (\d+)$/m.exec(text)?.[1]);
}

/** Two requests, the second of which fills the journal, so that it is closed and shipped. @returns ids of their rows */
async function load(url: string): Promise<string[][]> {
  const answered: string[][] = [];
  for (const [id, rows] of [
    ['one', 1],
    ['many', 10_000],
  ] as const) {
    const answer = await post(`${url}/v2/models/flights/infer`, inferBody(rows, { id })).catch(
      () => undefined,
    );
    if (answer?.status === 200)
      answered.push(Array.from({ length: rows }, (_, i) => (rows === 1 ? id : `${id}/${i}`)));
  }
  return answered;
}

/** A successor ships the rest. */
async function mended(answered: string[][]): Promise<void> {
  const { child } = await start(undefined);
  const folder = join(place.root, 'serving', 'one');
  await until(async () => (await readdir(folder)).every((name) => name === 'spill'));
  await child.kill();
  assert.deepEqual(await readdir(join(folder, 'spill')).catch(() => []), []);
  const stored = (await place.stored('predictions/')).map((row) => String(row['id']));
  assert.equal(new Set(stored).size, stored.length, 'a row is stored twice');
  const kept = new Set(stored);
  assert.deepEqual(
    answered.flat().filter((id) => !kept.has(id)),
    [],
  );
}

async function start(fault: string | undefined) {
  if (fault) process.env['ESTEIRA_FAULT'] = fault;
  else delete process.env['ESTEIRA_FAULT'];
  return place.start();
}
