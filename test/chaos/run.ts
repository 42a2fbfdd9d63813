/** One chaos run: users and accidents at once, then quiet, then the checker. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Breach } from './checker/check.ts';
import type { Evidence } from './checker/evidence.ts';
import { judge } from './judge.ts';
import { ask, users } from './load.ts';
import type { Doing } from './load.ts';
import { machines } from './load-gateway.ts';
import { faults, mend } from './nemesis.ts';
import { digestOf, planOf } from './plan.ts';
import type { Act, Step } from './plan.ts';
import { atRest } from './rest.ts';
import { modelNames, openTown } from './town.ts';
import type { Town } from './town.ts';

/** What only holds once everything has come to rest. */
const afterRest = new Set(['I6', 'I13']);

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
    const { evidence, breaches } = await judge(town);
    const struck = await readFile(`${town.files.faults}.struck`, 'utf8').catch(() => '');
    return {
      evidence,
      breaches: breaches.filter(({ invariant }) => mode === 'liveness' || !afterRest.has(invariant)),
      ...{ home: town.home, struck: struck.split('\n').slice(0, -1) },
    };
  } finally {
    await town.close();
  }
}

/** Every model has a champion before the first fault. */
async function settle(town: Town): Promise<void> {
  const first = { kind: 'manual' as const, by: 'ana', reason: 'first', at: '2001-02-01T00:00:00.000Z' };
  for (const model of modelNames) await ask(town, model, { ...first, id: `first/${model}` });
}

async function carryOut(town: Town, plan: Step[]): Promise<void> {
  const acts = { ...users, ...machines, ...faults } satisfies Record<Act, Doing>;
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

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}
