/** `esteira alerts` against a real server and store: what is shown, and what people can say. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { drift, openAlerted } from '../support/alerted.ts';
import type { Alerted } from '../support/alerted.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
let town: Alerted;
before(async () => {
  town = await openAlerted({
    owner: 'risk-desk',
    runbook: 'https://wiki.test/{kind}',
    sinks: [
      { to: 'webhook', url: 'RECEIVER/', name: 'pager' },
      { to: 'webhook', url: 'http://127.0.0.1:1/', name: 'dead' },
    ],
  });
});
after(() => town.close());

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function esteira(...args: string[]): Promise<Ran> {
  const env = {
    ...process.env,
    ...{ TEMPORAL_ADDRESS: town.world.env.address, ESTEIRA_STORE: town.bench.store.uri, NO_COLOR: '1' },
    ESTEIRA_HOME: town.bench.folder,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}
const shown = async (...args: string[]) => (await esteira(...args)).stdout.trimEnd().split('\n');

test('before the first tick there is nothing, and nothing to say anything to', async () => {
  assert.deepEqual(await shown('alerts'), ['No alert is open.']);
  assert.deepEqual(await shown('alerts', 'm', '--all'), ['No alert of m was ever opened.']);
  const { code, stderr } = await esteira('alerts', 'ack', 'm', '1', '--reason', 'r');
  assert.deepEqual(
    [code, stderr],
    [1, 'm has no book of alerts; it is begun by the first look of its monitor\n'],
  );
});

test('what is open, worst first; what nobody has taken; its story', () =>
  town.withWorker(async () => {
    await town.tick(1, [drift('x'), drift('price', { severity: 'critical' })]);
    await town.tick(2, [drift('x'), drift('price', { severity: 'critical' })]);
    await until(async () => (await town.record(1)).deliveries.some(({ state }) => state === 'delivered'));
    const lines = await shown('alerts');
    assert.match(lines[0]!, /^model  alert  state  severity  about +since +last +ticks  owner +message/);
    assert.match(
      lines[2]!,
      /^m +1 +open +critical  drift\/price  2001-02-01 00:00  2001-02-03 00:00  2 +risk-desk  price has/,
    );
    assert.match(lines[3]!, /^m +2 +open +warning +drift\/x/);
    assert.deepEqual(lines.slice(4, 6), ['', '1 message not delivered:']);
    assert.match(
      lines[6]!,
      /^ {2}m 1, 2 → dead, since \d{4}-\d\d-\d\d \d\d:\d\d, still tried \(try \d+: 127.0.0.1:1 cannot be reached: .*ECONNREFUSED/,
    );
    const story = await shown('alerts', 'show', 'm', 'drift/price');
    assert.equal(story[0], 'm alert 1: drift/price, critical, open');
    assert.equal(story[4], '  runbook  https://wiki.test/drift');
    assert.match(story.join('\n'), /opened +monitor +price has drifted[\s\S]+pager +opened +delivered +204/);
    const json = JSON.parse((await esteira('alerts', 'm', '--json')).stdout);
    assert.deepEqual([json.alerts.length, json.undelivered[0].alerts], [2, [1, 2]]);
    const one = JSON.parse((await esteira('alerts', 'show', 'm', '1', '--json')).stdout);
    assert.equal(one.history[0].what, 'opened');
  }));

test('acknowledge, snooze and close; a refusal is exit code 3, wrong usage 2', () =>
  town.withWorker(async () => {
    const say = (verb: string, ...args: string[]) =>
      esteira('alerts', verb, 'm', ...args, '--reason', 'known', '--as', 'bob');
    assert.equal((await say('ack', '2')).stdout, 'm alert 2 (drift/x) is acknowledged by bob\n');
    assert.match((await shown('alerts', 'm')).join('\n'), /2 +acknowledged +warning/);
    assert.match(
      (await say('snooze', 'drift/x', '--for', '2d')).stdout,
      /is snoozed until \d{4}-.* by bob\n$/,
    );
    const closed = await say('close', '1', '--json');
    assert.equal(JSON.parse(closed.stdout).alert.state, 'closed');
    const refused = await say('ack', '1');
    assert.deepEqual([refused.code, refused.stdout], [3, 'refused (closed): alert 1 is closed\n']);
    assert.equal((await say('ack', 'drift/none')).code, 3);
    assert.equal((await say('snooze', '2')).code, 2);
    assert.equal((await say('snooze', '2', '--for', 'soon')).code, 2);
    assert.equal((await say('snooze', '2', '--until', '2001-01-01T00:00:00Z')).code, 3);
    assert.equal((await esteira('alerts', 'ack', 'm', '2')).code, 2);
    const none = await esteira('alerts', 'show', 'm', '9');
    assert.deepEqual(
      [none.code, none.stderr],
      [1, 'm never had an alert 9; `esteira alerts m --all` lists those there were\n'],
    );
    assert.equal((await shown('alerts', 'm')).filter((line) => /drift\/price/.test(line)).length, 0);
    assert.match((await shown('alerts', 'm', '--all')).join('\n'), /1 +closed +critical +drift\/price/);
  }));
