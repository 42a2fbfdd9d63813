/**
 * `npm run demo`: real flights to a live model and back again.
 *
 * January trains the first version; February's days are traffic whose labels come a day late, until a
 * rule of the project asks for a new version; then a version that has learned nothing is rolled out,
 * to see the canary refuse it. Options: `--yes` approves without asking, `--keep` leaves it running.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Lines } from '../../client/follow.ts';
import type { Esteira } from '../../client/index.ts';
import { saveReport } from '../../client/report.ts';
import { openEsteira, runningStack } from '../../client/session.ts';
import { startStack } from '../../client/stack.ts';
import type { Stack } from '../../client/stack.ts';
import type { LifecycleOutcome } from '../../contracts/lifecycle.ts';
import type { Disposition } from '../../contracts/model.ts';
import { readConfig } from '../../infra/config.ts';
import { Summary } from './summary.ts';
import { askAbout, label, nextDay, pump, readDays, replay, shipped } from './traffic.ts';
import type { Flight } from './traffic.ts';

const { values: options } = parseArgs({
  options: { yes: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
});
const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));
const home = join(root, '.esteira', 'demo');
/** Every third flight of a day: some five thousand, enough to judge by and quick to send. */
const every = 3;
const lastDay = 14;

const say = (text = ''): void => void process.stdout.write(`${text}\n`);
const chapter = (title: string): void => say(`\n── ${title} ${'─'.repeat(Math.max(3, 76 - title.length))}`);
const shown = (path: string): string => relative(process.cwd(), path) || path;

async function main(): Promise<void> {
  const before = await runningStack(home);
  if (before) process.kill(before.pid, 'SIGTERM');
  while (await runningStack(home)) await new Promise((resolve) => setTimeout(resolve, 100));
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });

  const config = { ...readConfig({ ...process.env, ESTEIRA_STORE: '', ESTEIRA_HOME: home }) };
  const summary = new Summary();
  chapter('Esteira carries a model of real flight delays along the whole belt');
  const stack = await startStack(config);
  say(`Temporal  ${stack.server}`);
  say(`Web UI    ${stack.uiUrl || '(that of your server)'}`);
  say(`Endpoint  ${stack.servingUrl}`);
  const stop = onInterrupt(stack);
  const esteira = await openEsteira(config);
  try {
    await january(esteira, stack, summary);
    const days = await readDays(
      '2001-02-01T00:00:00.000Z',
      `2001-02-${lastDay + 1}T00:00:00.000Z`,
      every,
      home,
    );
    await february(esteira, stack, days, summary);
    await badVersion(esteira, stack, days, summary);
    await ending(stack, summary);
    if (options.keep) {
      say('\nEverything stays up, as asked. Ctrl-C stops it.');
      stop.keep();
      await stop.asked;
    } else {
      say('\nStopping now; `npm run demo -- --keep` leaves it running, to look around.');
    }
  } finally {
    await esteira.close();
    await stack.stop();
  }
}

async function january(esteira: Esteira, stack: Stack, summary: Summary): Promise<void> {
  chapter('1. January: 508 thousand flights make the first version');
  const run = await esteira.run(here, {
    by: 'ana',
    reason: 'the first version',
    until: '2001-02-01T00:00:00.000Z',
  });
  await followed(esteira, run, summary, 'ana asked; somebody else must approve');

  chapter('2. It is live: a prediction');
  const flight = exampleFlight;
  const { ids, predictions, version } = await askAbout(stack.servingUrl, flight);
  say(
    `${flight.origin} → ${flight.destination}, ${flight.date}: late with probability ${Number(predictions[0]).toFixed(3)}`,
  );
  say(`(version ${version}, prediction ${ids[0]})\n`);
  say(curl(stack.servingUrl));
}

/** Days go by: traffic, labels a day late, a tick a day; until a rule fires and the cure has gone live. */
async function february(
  esteira: Esteira,
  stack: Stack,
  days: Map<string, Flight[]>,
  summary: Summary,
): Promise<void> {
  chapter('3. February: traffic every day, labels a day late, a look every night');
  const names = [...days.keys()].toSorted();
  for (let d = 0; d < lastDay; d += daysAtOnce) {
    const now = names.slice(d, d + daysAtOnce);
    for (const day of now) {
      await replay(stack.servingUrl, days.get(day)!, day);
      const next = nextDay(day);
      await label(stack.servingUrl, days.get(day)!, day, `${next}T12:00:00.000Z`);
    }
    await shipped(stack.servingUrl);
    for (const day of now) {
      const window = { from: `${day}T00:00:00.000Z`, until: `${nextDay(day)}T00:00:00.000Z` };
      const { tick, retrain } = await esteira.tick('flights', window);
      summary.tick(tick, retrain);
      const alerts = tick.alerts.map(({ message }) => message.replace(/, alert from .*/, ''));
      say(`${day}  ${tick.rows} predictions  ${alerts.join('; ') || 'quiet'}`);
      const [answer] = retrain;
      if (!answer) continue;
      say(`\n  Rule "${answer.rule}" fired: ${answer.reason}`);
      say(`  The model's answer: ${answer.disposition.status}`);
      if (answer.disposition.status !== 'started') continue;
      chapter('4. The cure: retrained, compared with the champion, approved by policy, canaried');
      const traffic = pump(stack.servingUrl, days.get(names.at(-1)!)!);
      await followed(esteira, answer.disposition, summary);
      await traffic.stop();
      return;
    }
  }
  throw new Error(`no rule of the project fired in ${lastDay} days`);
}

async function badVersion(
  esteira: Esteira,
  stack: Stack,
  days: Map<string, Flight[]>,
  summary: Summary,
): Promise<void> {
  chapter('5. A drill: a version that learned from shuffled labels, its gates overruled');
  const traffic = pump(stack.servingUrl, days.get([...days.keys()].at(-1)!)!);
  const drill = { shuffleLabels: true, overrideGates: true };
  const until = '2001-02-11T00:00:00.000Z';
  const run = await esteira.run(here, { by: 'ana', reason: 'drill: a bad version', until, drill });
  await followed(esteira, run, summary, 'the drill needs a yes, too');
  await traffic.stop();
  const state = await esteira.describe('flights');
  say(`Champion is still version ${state?.slots?.champion?.version}; the bad one is barred.`);
}

async function ending(stack: Stack, summary: Summary): Promise<void> {
  chapter('What happened');
  say(summary.table());
  const path = join(home, 'summary.json');
  await writeFile(path, `${JSON.stringify(summary.value, null, 2)}\n`);
  say(`\nWeb UI    ${stack.uiUrl}/namespaces/${stack.namespace}/workflows`);
  say(`Endpoint  ${stack.servingUrl}/v2/models/flights`);
  say(`Reports   ${shown(join(home, 'reports'))}`);
  say(`Evidence  ${shown(join(home, 'store'))}`);
  say(`Summary   ${shown(path)}`);
}

/** Shows a lifecycle's stages; where it waits for people, shows the evidence and asks. */
async function followed(
  esteira: Esteira,
  asked: Disposition,
  summary: Summary,
  ask?: string,
): Promise<LifecycleOutcome> {
  if (asked.status !== 'started')
    throw new Error(`the model did not start a lifecycle: ${JSON.stringify(asked)}`);
  const { lifecycleId } = asked;
  const requestId = lifecycleId.slice('lifecycle/'.length);
  say(lifecycleId);
  const lines = new Lines();
  let answered = false;
  for await (const look of esteira.watch(lifecycleId, 200)) {
    lines.show(look);
    if (look.progress.waitsFor === null || answered || ask === undefined) continue;
    answered = true;
    await approveOrNot(esteira, requestId, ask);
  }
  const outcome = await esteira.outcome(lifecycleId);
  const { progress } = await esteira.look(lifecycleId);
  summary.lifecycle(progress, outcome, await esteira.describe('flights'));
  if ('scorecard' in outcome) await saveReport(esteira.store, home, outcome.scorecard.report, requestId);
  if (outcome.status === 'rolled-back' && 'reason' in outcome.rollout)
    say(`The canary says no: ${outcome.rollout.reason}`);
  if (outcome.status === 'rejected') throw new Error('rejected, as you wished; the demo ends here');
  return outcome;
}

async function approveOrNot(esteira: Esteira, requestId: string, why: string): Promise<void> {
  const { request } = await esteira.approval(requestId);
  const report = await saveReport(esteira.store, home, request.report, requestId);
  say(`\n  ${request.summary}`);
  say(`  Report: ${shown(report)}`);
  const interactive = process.stdin.isTTY && process.stdout.isTTY && !options.yes;
  if (!interactive)
    say(`  Approved as "demo" (${why}; ${options.yes ? '--yes' : 'no terminal to ask on'})\n`);
  const approved = !interactive || (await confirmed(`  Approve it? (${why}) [Y/n] `));
  const reason = interactive ? 'decided at the terminal' : 'the demo approves by itself';
  await esteira.decide(requestId, { approved, by: 'demo', reason });
}

async function confirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT')); // a prompt takes Ctrl-C for itself
  const answer = await terminal.question(question);
  terminal.close();
  return !/^n/i.test(answer.trim());
}

/** Ctrl-C in the middle stops the processes and ends; while everything is kept up, it is how to end. */
function onInterrupt(stack: Stack): { asked: Promise<void>; keep(): void } {
  let kept = false;
  const asked = new Promise<void>((resolve) => {
    process.once('SIGINT', () => {
      say('\nStopping …');
      resolve();
      if (!kept) void stack.stop().finally(() => process.exit(130));
    });
  });
  return { asked, keep: () => void (kept = true) };
}

const daysAtOnce = 3;
const exampleFlight: Flight = {
  flight_id: 'demo-1',
  date: '2001-02-01T17:30:00.000Z',
  distance: 1_199,
  origin: 'ATL',
  destination: 'DEN',
  origin_late_yesterday: 0.31,
  origin_late_week: 0.22,
  route_late_share: 0.27,
  late: 0,
};

function curl(url: string): string {
  const { date, distance, origin, destination, ...shares } = exampleFlight;
  const input = (name: string, datatype: string, value: unknown) => ({
    name,
    datatype,
    shape: [1],
    data: [value],
  });
  const body = {
    inputs: [
      input('date', 'INT64', Date.parse(date)),
      input('distance', 'FP64', distance),
      input('origin', 'BYTES', origin),
      input('destination', 'BYTES', destination),
      ...['origin_late_yesterday', 'origin_late_week', 'route_late_share'].map((name) =>
        input(name, 'FP64', shares[name]),
      ),
    ],
  };
  return `curl -s ${url}/v2/models/flights/infer -H 'content-type: application/json' \\\n  -d '${JSON.stringify(body)}'`;
}

await main();
