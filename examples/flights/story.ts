/**
 * `node --import tsx examples/flights/story.ts`: five months of real flights under one model's eyes, some twenty minutes.
 *
 * January trains the first version. Then every day is traffic, labels come a day late, and a tick looks at each; the
 * project's own rules retrain. At the end: what was told and when, what became of it, and whether what was foreseen came.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Esteira } from '../../client/index.ts';
import { openEsteira } from '../../client/session.ts';
import { startStack } from '../../client/stack.ts';
import { ticksOf } from '../../client/monitoring/ticks.ts';
import { alertList } from '../../client/alerts.ts';
import type { TickRecord } from '../../contracts/monitor.ts';
import { readConfig } from '../../infra/config.ts';
import { label, nextDay, pump, readDays, replay, shipped } from './traffic.ts';
import type { Flight } from './traffic.ts';

const { values: options } = parseArgs({ options: { until: { type: 'string', default: '2001-07-01' } } });
const here = fileURLToPath(new URL('.', import.meta.url));
const home = fileURLToPath(new URL('../../.esteira/story', import.meta.url));
/** Every sixth flight of a day: some 2,700. */
const every = 6;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const instant = (day: string): string => `${day}T00:00:00.000Z`;

async function main(): Promise<void> {
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  const config = readConfig({ ...process.env, ESTEIRA_STORE: '', ESTEIRA_HOME: home });
  const stack = await startStack(config);
  const esteira = await openEsteira(config);
  try {
    const asked = { by: 'ana', reason: 'the first version', until: instant('2001-02-01') };
    const first = await esteira.run(here, asked);
    if (first.status !== 'started') throw new Error(JSON.stringify(first));
    say(`2001-02-01  ${await followed(esteira, first.lifecycleId)}`);
    for (let from = '2001-02-01'; from < options.until;) {
      const month = nextMonth(from);
      const until = month < options.until ? month : options.until;
      const days = await readDays(instant(from), instant(until), every, home);
      for (const day of [...days.keys()].toSorted()) await lived(esteira, stack.servingUrl, days, day);
      from = until;
    }
    await told(esteira);
  } finally {
    await esteira.close();
    await stack.stop();
  }
}

async function lived(esteira: Esteira, url: string, days: Map<string, Flight[]>, day: string): Promise<void> {
  const flights = days.get(day)!;
  await replay(url, flights, day);
  await label(url, flights, day, `${nextDay(day)}T12:00:00.000Z`);
  await shipped(url);
  const { tick, retrain } = await esteira.tick('flights', {
    from: instant(day),
    until: instant(nextDay(day)),
  });
  for (const { message } of tick.alerts) say(`${day}  ${message}`);
  for (const { rule, reason, disposition } of retrain.slice(0, 1)) {
    say(`${day}  rule ${rule}: ${reason} → ${disposition.status}`);
    if (disposition.status !== 'started') continue;
    const traffic = pump(url, flights);
    say(`${day}  ${await followed(esteira, disposition.lifecycleId)}`);
    await traffic.stop();
  }
}

/** To its end; whoever must be asked says yes. */
async function followed(esteira: Esteira, lifecycleId: string): Promise<string> {
  const requestId = lifecycleId.slice('lifecycle/'.length);
  for await (const { progress } of esteira.watch(lifecycleId, 200))
    if (progress.waitsFor !== null)
      await esteira.decide(requestId, { approved: true, by: 'story', reason: 'the story goes on' });
  const outcome = await esteira.outcome(lifecycleId);
  return `${lifecycleId} ${outcome.status}${'version' in outcome ? `, version ${outcome.version}` : ''}`;
}

async function told(esteira: Esteira): Promise<void> {
  const { ticks } = await ticksOf(esteira.store, 'flights', 400);
  const alerts = await alertList(esteira.store, 'flights', true);
  await writeFile(join(home, 'story.json'), JSON.stringify({ ticks, alerts }, null, 1));
  say('\nmonth    days  log loss, mean  worst day  days with an alert');
  for (const month of new Set(ticks.map(({ window }) => window.from.slice(0, 7)))) {
    const own = ticks.filter(({ window }) => window.from.startsWith(month));
    const losses = own.flatMap(({ quality }) => quality?.metrics['log_loss'] ?? []);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const worst = Math.max(...losses);
    const loud = own.filter((tick) => tick.alerts.length > 0).length;
    say(
      `${month}  ${String(own.length).padStart(4)}  ${mean.toFixed(4).padStart(14)}  ${worst.toFixed(4).padStart(9)}  ${loud}`,
    );
  }
  foreseen(ticks);
}

/** Of each forecast: whether the limit was reached by the time it said, give or take what it said. */
function foreseen(ticks: readonly TickRecord[]): void {
  let [said, came, early] = [0, 0, 0];
  ticks.forEach((tick, at) => {
    for (const { metric, limit, now, latest } of tick.forecasts ?? []) {
      const above = limit > now;
      const within = Math.ceil(latest) + 1;
      const after = ticks.slice(at + 1, at + 1 + within).filter(({ version }) => version === tick.version);
      const reached = after.findIndex(({ quality }) => {
        const value = quality?.metrics[metric];
        return typeof value === 'number' && (above ? value >= limit : value <= limit);
      });
      said++;
      if (reached >= 0) came++;
      if (reached >= 1) early++;
    }
  });
  say(
    `\n${said} forecasts, of which the limit was reached in time by ${came}, ${early} of them a day ahead or more.`,
  );
}

function nextMonth(day: string): string {
  const [year, month] = day.split('-').map(Number) as [number, number];
  return new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 10);
}

await main();
