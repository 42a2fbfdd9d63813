/**
 * `npm run chaos -- --seed 7 --minutes 3`: users and accidents at once, then quiet, then the checker.
 *
 * The same seed on the same commit plans the same faults. `--liveness` (the default) waits until everything has come
 * to rest and judges all; `--safety` does not wait, and judges what must hold at any moment.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { workflowBundle } from '../../infra/workflow-bundle.ts';
import { readAcknowledged, readDisturbances } from './checker/acknowledged.ts';
import { check } from './checker/check.ts';
import type { Breach } from './checker/check.ts';
import type { Evidence } from './checker/evidence.ts';
import { askServer, gather } from './checker/gather.ts';
import { table } from './checker/table.ts';
import { ask, users } from './load.ts';
import type { Doing } from './load.ts';
import { faults, mend } from './nemesis.ts';
import { digestOf, planOf } from './plan.ts';
import type { Act, Step } from './plan.ts';
import { atRest } from './rest.ts';
import { canary, modelNames, openTown } from './town.ts';
import type { Town } from './town.ts';

/** What only holds once everything has come to rest. */
const afterRest = new Set(['I6', 'I13']);

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '3' },
    safety: { type: 'boolean', default: false },
    liveness: { type: 'boolean', default: false },
    /** Leaves the home where it is, to look into. */
    keep: { type: 'boolean', default: false },
    /** Takes one JSON line with the figures. */
    figures: { type: 'string' },
  },
});

export interface Outcome {
  evidence: Evidence;
  breaches: Breach[];
  home: string;
  /** Fired failpoints, by their lines. */
  struck: string[];
}

/** One run. Its home is left behind; the caller removes it. */
export async function chaos(seed: number, minutes: number, mode: 'safety' | 'liveness'): Promise<Outcome> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const plan = planOf(seed, minutes);
  say(`seed ${seed}, ${minutes} min, ${mode}: plan ${digestOf(plan)}, ${plan.length} steps`);
  const town = await openTown();
  say(`in ${town.home}`);
  try {
    await settle(town);
    await carryOut(town, plan);
    say('the faults are over');
    await mend(town);
    if (mode === 'liveness') say(await atRest(town));
    return await judge(town, mode);
  } finally {
    await town.stack.stop();
    await town.esteira.close();
  }
}

/** Every model has a champion before the first fault. */
async function settle(town: Town): Promise<void> {
  const first = { kind: 'manual' as const, by: 'ana', reason: 'first', at: '2001-02-01T00:00:00.000Z' };
  for (const model of modelNames) await ask(town, model, { ...first, id: `first/${model}` });
}

async function carryOut(town: Town, plan: Step[]): Promise<void> {
  const acts = { ...users, ...faults } satisfies Record<Act, Doing>;
  const started = Date.now();
  const failed = new Map<string, number>();
  const under = new Set<Promise<void>>();
  for (const [n, { at, act, dice }] of plan.entries()) {
    await sleep(Math.max(0, started + at - Date.now()));
    // The world is falling apart around it: that it fails promises nothing and proves nothing.
    const doing = limited(acts[act](town, dice, n)).catch(
      () => void failed.set(act, (failed.get(act) ?? 0) + 1),
    );
    under.add(doing);
    void doing.then(() => under.delete(doing));
  }
  await Promise.all(under);
  say(`failed: ${[...failed].map(([act, count]) => `${act} ${count}`).join(', ') || 'none'}`);
}

/** Nobody waits for an answer for ever; what comes later is nobody's. */
async function limited(doing: Promise<void>): Promise<void> {
  const limit = new AbortController();
  const late = sleep(30_000, undefined, { signal: limit.signal }).then(() =>
    Promise.reject(new Error('late')),
  );
  await Promise.race([
    doing,
    late.catch((error: Error) => (error.name === 'AbortError' ? undefined : Promise.reject(error))),
  ]).finally(() => limit.abort());
}

async function judge(town: Town, mode: 'safety' | 'liveness'): Promise<Outcome> {
  const { esteira, config, home, files, stack } = town;
  const server = await askServer(esteira.client, await workflowBundle(config.cacheHome));
  await stack.stop();
  const evidence = await gather({
    ...{ store: esteira.store, storeFolder: fileURLToPath(config.store), home, server, stopped: true },
    cacheDir: join(config.cacheHome, 'artifacts'),
    acknowledged: readAcknowledged(files.acknowledged),
    disturbances: readDisturbances(files.disturbances),
    canaries: [canary],
    ports: [stack.servingUrl, `http://${stack.address}`].map((url) => Number(new URL(url).port)),
  });
  const breaches = check(evidence).filter(
    ({ invariant }) => mode === 'liveness' || !afterRest.has(invariant),
  );
  const struck = await readFile(`${files.faults}.struck`, 'utf8').catch(() => '');
  return { evidence, breaches, home, struck: struck.split('\n').slice(0, -1) };
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

async function main(): Promise<void> {
  const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
  if (!Number.isInteger(seed) || !(minutes > 0)) throw new Error('usage: chaos --seed <n> --minutes <m>');
  const { evidence, breaches, home, struck } = await chaos(
    seed,
    minutes,
    values.safety ? 'safety' : 'liveness',
  );
  console.log(table(evidence, breaches));
  console.log(`\nfailpoints that struck: ${struck.length}`);
  if (values.figures)
    await writeFile(values.figures, `${figures(seed, minutes, evidence, breaches, struck)}\n`, { flag: 'a' });
  if (breaches.length > 0 || values.keep) console.log(`\nleft in ${home}`);
  else await rm(home, { recursive: true, force: true });
  process.exitCode = breaches.length > 0 ? 1 : 0;
}

function figures(
  seed: number,
  minutes: number,
  evidence: Evidence,
  breaches: Breach[],
  struck: string[],
): string {
  const faulty = evidence.disturbances.filter(
    ({ kind }) => !['cont', 'activity-unpause'].includes(kind),
  ).length;
  return JSON.stringify({
    ...{ seed, minutes, faults: faulty, struck: struck.length },
    ...{ acknowledged: evidence.acknowledged.length, runs: evidence.runs.length },
    breaches: breaches.map(({ invariant, claim }) => `${invariant}: ${claim}`),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
