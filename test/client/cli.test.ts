/** The real `esteira` program against a real stack in a home of its own: what a person or a script would see. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { anyPorts } from '../support/ports.ts';
import { post } from '../support/server.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
const row = '{"price": 80, "items": 2, "channel": "app", "ordered_at": "2001-02-01 10:00:00"}';
let root: string;
let up: ChildProcess;

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into any answer
  json(): any;
}

function environment() {
  return { ...process.env, ESTEIRA_HOME: join(root, 'home'), NO_COLOR: '1', ...anyPorts };
}

function esteira(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: environment() }, (error, stdout, stderr) => {
      const last = () => JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr, json: last });
    });
  });
}

/** As MLflow's clients ask: times are text there. */
async function invoked(record: string) {
  const { servingUrl } = JSON.parse(await readFile(join(root, 'home', 'stack.json'), 'utf8'));
  return post(`${servingUrl}/models/orders/invocations`, { dataframe_records: [JSON.parse(record)] });
}

/** A project of its own: the one that init writes, with some passages changed. */
async function project(name: string, ...edits: [from: string, to: string][]): Promise<string> {
  const folder = join(root, name);
  assert.equal((await esteira('init', folder)).code, 0);
  const file = join(folder, 'esteira.yaml');
  let text = await readFile(file, 'utf8');
  for (const [from, to] of [['epochs: 8', 'epochs: 1'], ['bake: 10s', 'bake: 400ms'], ...edits] as const) {
    assert(text.includes(from), from);
    text = text.replace(from, to);
  }
  await writeFile(file, text);
  return folder;
}

/** An hour of shadow, so that there is time to talk to it. */
const slowly: [string, string][] = [
  ['rollout:', 'rollout:\n  strategy: shadow-then-canary\n  shadow: { share: 0.5, bake: 1h }'],
];

function askPeople(deadline: string): [string, string] {
  const policy = `policy: people, need: { risk: 1 }, people: { risk: [ana] }, deadline: ${deadline}`;
  return ['policy: auto', policy];
}

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'esteira-cli-'));
  up = spawn(process.execPath, [program, 'up', '--json'], { env: environment() });
  up.stderr!.on('data', (text: Buffer) => process.stderr.write(text));
  const [line] = (await Promise.race([
    once(createInterface({ input: up.stdout! }), 'line'),
    once(up, 'exit').then(() => assert.fail('esteira up ended')),
  ])) as [string];
  assert.match(JSON.parse(line).servingUrl, /^http/);
});
after(async () => {
  if (up.exitCode === null && up.kill('SIGINT')) await once(up, 'exit');
  await rm(root, { recursive: true, force: true });
});

test('a project from init runs to a champion that predicts, and its report is a file', async () => {
  const folder = await project('orders');
  assert.equal((await esteira('check', folder, '--json')).json().model, 'orders');
  const ran = await esteira('run', folder, '--wait', '--json');
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.json().outcome.status, 'deployed');
  assert.match(await readFile(ran.json().report, 'utf8'), /<html/);

  const [newest] = (await esteira('ls', '--json')).json();
  assert.equal(newest.lifecycleId, 'lifecycle/orders/1');
  const champion = (await esteira('show', 'orders@champion', '--json')).json();
  assert.equal(champion.record.version, 1);
  assert.match(champion.report, /\.html$/);

  const answer = (await esteira('predict', 'orders', row, '--json')).json();
  assert(answer.predictions[0] > 0 && answer.predictions[0] < 1);
  const asked = await invoked(row);
  assert.deepEqual([asked.status, asked.body.predictions], [200, answer.predictions]);
  const odd = await invoked(row.replace('2001-02-01 10:00:00', 'noon'));
  assert.match(odd.body.error, /^input "ordered_at" row 0 is "noon", expected a time such as .*Z, milli/);
  const labels = join(root, 'labels.json');
  await writeFile(labels, JSON.stringify([{ id: answer.ids[0], label: 1 }]));
  assert.deepEqual((await esteira('labels', 'orders', labels, '--json')).json(), { accepted: 1 });
});

test('a second version takes the first one’s place, and a rollback gives it back', async () => {
  const first = await esteira('rollback', 'orders', '--reason', 'nothing to go back to', '--json');
  assert.deepEqual([first.code, first.json().code], [3, 'no-previous']);
  const again = await esteira('trigger', 'orders', '--reason', 'again', '--wait', '--json');
  assert.deepEqual([again.code, again.json().outcome.version], [0, 2], again.stderr);
  const back = await esteira('rollback', 'orders', '--reason', 'a drill', '--json');
  assert.deepEqual([back.code, back.json().version], [0, 1]);
  const { serving } = (await esteira('show', 'orders', '--json')).json();
  assert.deepEqual([serving.alive, serving.replicas.length], [1, 1]);
  const { stdout } = await esteira('show', 'orders');
  assert.match(stdout, /^ {2}served by {4}[01] of 1 replica at epoch [0-9]+$/m);
});

test('a rollout is watched, paused and taken back; its version barred, and released', async () => {
  const folder = await project('steered', ...slowly);
  assert.equal((await esteira('run', folder, '--wait')).code, 0);
  const [run] = [(await esteira('run', folder, '--json')).json()];
  assert.equal(run.status, 'started');
  const status = () => esteira('rollout', 'status', 'steered', '--json').then((ran) => ran.json());
  await until(
    async () => (await status()).view?.steps[0].state === 'now' && (await status()).view.leftMs > 0,
  );
  const say = (verb: string, ...more: string[]) =>
    esteira('rollout', verb, 'steered', '--as', 'ana', '--reason', 'a drill', ...more);
  assert.match((await say('pause')).stdout, /^pause, heard: the bake time stands still/);
  const again = await say('pause', '--json');
  assert.deepEqual([again.code, again.json().code], [3, 'already']);
  const shown = await esteira('rollout', 'status', 'steered');
  assert.match(
    shown.stdout,
    /paused; serves unseen, beside the champion, on 50 % of the requests\n {2}▸ unseen/,
  );
  assert.match(shown.stdout, /ana {2}pause {2}a drill/);
  assert.equal((await say('resume')).code, 0);
  assert.equal((await say('abort', '--quarantine')).code, 0);
  await until(async () => (await status()).kind === 'over');
  assert.equal((await status()).record.outcome.status, 'rolled-back');
  const late = await say('promote');
  assert.deepEqual([late.code, late.stdout], [3, 'refused (closed): no rollout of steered is under way\n']);
  assert.match(
    (await esteira('show', 'steered/2')).stdout,
    /rolled-back on .*[^]*quarantined by ana: ana aborted it/,
  );
  const free = () => esteira('release', 'steered/2', '--reason', 'it was a drill', '--as', 'bo');
  assert.match((await free()).stdout, /^version 2 of steered is barred no more/);
  assert.equal((await free()).code, 3);
  assert.match((await esteira('show', 'steered/2')).stdout, /released by bo: it was a drill/);
});

test('people decide: a refusal is 3, a rejected run 4', async () => {
  const running = esteira('run', await project('asks', askPeople('1h')), '--wait', '--as', 'bo');
  let waiting = [];
  while (waiting.length === 0) waiting = (await esteira('approvals', '--json')).json();
  assert.equal(waiting[0].request.requestId, 'asks/1');
  assert.match(await readFile(waiting[0].report, 'utf8'), /<html/);
  const stranger = await esteira('approve', 'asks/1', '--reason', 'fine', '--as', 'eve', '--json');
  assert.deepEqual([stranger.code, stranger.json().code], [3, 'not-an-approver']);
  const no = await esteira('reject', 'asks/1', '--reason', 'worse in Denver', '--as', 'ana', '--json');
  assert.deepEqual([no.code, no.json().verdict], [0, 'rejected']);
  const ran = await running;
  assert.equal(ran.code, 4, ran.stderr);
  assert.match(ran.stdout, /waits for approval asks\/1\n.*esteira approve asks\/1 --reason/);
  assert.match(ran.stdout, /rejected by ana: worse in Denver/);
  const late = await esteira('approve', 'asks/1', '--reason', 'fine', '--as', 'ana');
  assert.deepEqual([late.code, late.stdout], [3, 'refused (closed): asks/1 is rejected already\n']);
});

test('silence ends as 4, a missed gate and bad data as 3', async () => {
  const runs: [string, [string, string], number, string][] = [
    ['silent', askPeople('1s'), 4, 'expired'],
    ['proud', ['min: 0.6', 'min: 0.99'], 3, 'gate-missed'],
    ['thin', ['min: 500', 'min: 5000'], 3, 'bad-data'],
  ];
  const folders = await Promise.all(runs.map(([name, edit]) => project(name, edit)));
  const ran = await Promise.all(folders.map((folder) => esteira('run', folder, '--wait', '--json')));
  for (const [i, [, , code, status]] of runs.entries())
    assert.deepEqual([ran[i]!.code, ran[i]!.json().outcome.status], [code, status], ran[i]!.stderr);
});

test('who leaves a run is told how to come back, and the run goes on', async () => {
  const folder = await project('left', askPeople('1h'));
  const child = spawn(process.execPath, [program, 'run', folder, '--wait'], { env: environment() });
  let text = '';
  for await (const line of createInterface({ input: child.stdout })) {
    text += `${line}\n`;
    if (line.includes('waits for approval')) child.kill('SIGINT');
  }
  if (child.exitCode === null) await once(child, 'exit');
  assert.equal(child.exitCode, 130);
  assert.match(text, /lifecycle\/left\/1 goes on without you; `esteira watch lifecycle\/left\/1`/);
  assert.equal((await esteira('cancel', 'left/1')).code, 0);
  const ended = await esteira('watch', 'left/1');
  assert.deepEqual([ended.code, ended.stderr], [1, 'lifecycle/left/1 was cancelled\n']);
});

test('what is not there is 1 and one sentence, in words or in JSON', async () => {
  const errors: [string[], RegExp][] = [
    [['show', 'nobody'], /^no model nobody was ever run; .*\n$/],
    [['trigger', 'nobody', '--reason', 'x'], /^no model nobody was ever run; .*\n$/],
    [['rollback', 'nobody', '--reason', 'x'], /^no model nobody was ever run\n$/],
    [['rollout', 'status', 'nobody'], /^no model nobody was ever run; .*\n$/],
    [['release', 'nobody/1', '--reason', 'x'], /^no model nobody was ever run\n$/],
    [['show', 'orders/99'], /^orders has no version 99; .*\n$/],
    [['watch', 'nobody/1'], /^lifecycle\/nobody\/1 was never started; .*\n$/],
    [['cancel', 'orders/1'], /^lifecycle\/orders\/1 is over already \(deployed\); .*\n$/],
    [['approve', 'nobody/1', '--reason', 'x'], /^there is no request nobody\/1; .*\n$/],
    [['predict', 'orders', '{"itemz": 2}'], /^"itemz" is no input of orders, did you mean items\?; .*\n$/],
    [['init', join(root, 'orders')], /^.*esteira\.yaml exists; init overwrites nothing\n$/],
    [['up'], /^Esteira runs from .* already .*; `esteira down` stops it\n$/],
  ];
  const ran = await Promise.all(errors.map(([args]) => esteira(...args)));
  for (const [i, [args, words]] of errors.entries()) {
    const { code, stderr } = ran[i]!;
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, words);
  }
  const { stderr } = await esteira('show', 'nobody', '--json');
  assert.match(JSON.parse(stderr).error, /^no model nobody/);
  const faulty = await project('faulty', ['owner: you', 'ownr: you']);
  assert.match(
    (await esteira('run', faulty)).stderr,
    /esteira\.yaml:\d+:1: ownr unknown field, did you mean owner\?/,
  );
});

test('wrong usage is 2, and says what would be right', async () => {
  const wrong: [string[], RegExp][] = [
    [['triger'], /Did you mean trigger\?/],
    [['run'], /missing required argument 'project'/],
    [['run', root, '--until', 'yesterday'], /'yesterday' is invalid\. Give ISO 8601/],
    [['approve', 'a/1'], /required option '--reason <text>' not specified/],
    [['rollout', 'pause', 'orders'], /required option '--reason <text>' not specified/],
    [['release', 'orders', '--reason', 'x'], /Give model and number, such as flights\/3/],
    [['predict', 'orders'], /give one row as JSON, or --file/],
    [['predict', 'orders', '{bad'], /It is not JSON/],
    [['ls', '--limit', '0'], /whole number from 1/],
  ];
  const ran = await Promise.all(wrong.map(([args]) => esteira(...args)));
  for (const [i, [args, words]] of wrong.entries()) {
    const { code, stderr } = ran[i]!;
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, words);
  }
});

test('down leaves nothing; then everything that needs a stack says how to start one', async () => {
  const findings = (await esteira('doctor', '--json')).json() as {
    what: string;
    ok: boolean;
    detail: string;
  }[];
  assert.deepEqual(
    findings.filter(({ ok }) => !ok),
    [],
  );
  const pid = JSON.parse(await readFile(join(root, 'home', 'temporal.json'), 'utf8')).pid as number;
  const ended = once(up, 'exit');
  assert.deepEqual((await esteira('down', '--json')).json(), { stopped: true });
  assert.deepEqual(await ended, [0, null]);
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
  await assert.rejects(readFile(join(root, 'home', 'stack.json')), /ENOENT/);

  assert.deepEqual((await esteira('down', '--json')).json(), { stopped: false });
  const { code, stderr } = await esteira('ls');
  assert.equal(code, 1);
  assert.match(stderr, /^No Esteira runs from .*Start one with `esteira up`/);
  const down = await esteira('doctor');
  assert.equal(down.code, 0, down.stdout);
  assert.match(down.stdout, /workers +not running; `esteira up` starts it/);
});
