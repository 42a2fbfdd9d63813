/**
 * What will be asked of the system and what will be done to it, and when: a pure function of seed and length.
 *
 * Each step brings its own dice, so that which run or process it meets follows from the seed and from what is there
 * at that moment, not from how many steps came before it.
 */
import { createHash } from 'node:crypto';
import { random } from '../../activities/train/random.ts';
import { faultActions, failpoints } from '../../infra/faults.ts';

/** Each with how often it comes, per minute. */
const perMinute = {
  // What users do.
  ...{ trigger: 6, duplicate: 1.5, decide: 16, predict: 30, label: 5, rollback: 1, cancel: 1.5, tick: 1.5 },
  ...{ forge: 3, refuse: 2 },
  // What befalls it.
  ...{ failpoint: 18, killWorker: 1.2, killServing: 0.8, killTemporal: 0.6, killTrainer: 0.8 },
  ...{ stopWorker: 0.7, stopServing: 0.5, stopTemporal: 0.4, stopTrainer: 0.5, skewClock: 0.3 },
  ...{ reset: 1, terminate: 0.8, pauseActivity: 0.5, resetActivity: 0.8 },
  // What users do since 0.4.0: last, so that older seeds plan the rest as they did.
  ...{ steer: 2, release: 1 },
  // What machines send to the gateway, and what befalls that, since 0.5.0.
  ...{ event: 12, eventAgain: 4, eventOther: 2, flood: 0.7, gatewayLabel: 4, push: 6, pushAgain: 3 },
  ...{ killGateway: 1, stopGateway: 0.5 },
} as const;
export type Act = keyof typeof perMinute;

export interface Step {
  /** Milliseconds from the start. */
  at: number;
  act: Act;
  /** Uniform in [0, 1); what they decide is the act's affair. */
  dice: [number, number, number, number];
}

export function planOf(seed: number, minutes: number): Step[] {
  const steps = Object.entries(perMinute).flatMap(([act, rate], i) => {
    const next = random(seed, i);
    const count = Math.max(1, Math.round(rate * minutes));
    return Array.from({ length: count }, (): Step => ({
      at: Math.floor(next() * minutes * 60_000),
      act: act as Act,
      dice: [next(), next(), next(), next()],
    }));
  });
  return steps.toSorted((a, b) => a.at - b.at);
}

export function digestOf(steps: readonly Step[]): string {
  return createHash('sha256').update(JSON.stringify(steps)).digest('hex').slice(0, 12);
}

/** A line of the fault file. Most faults are errors and deaths; a hang needs somebody to end it. */
export function faultOf([where, what, when]: Step['dice']): { line: string; hangs: boolean } {
  const point = pick(reachable, where);
  const action = what < 0.1 ? 'hang' : pick([...faultActions.filter((one) => one !== 'hang'), 'throw'], what);
  return { line: `${point}:${action}@${1 + Math.floor(when * when * 3)}`, hangs: action === 'hang' };
}

/** Only S3 stores, commands, batch scoring, Python trainers, heavy models, logs of days that are over and ticks from before 0.5.0 pass the others. */
const elsewhere =
  /^(cli:|score:|train:environment$|serving:thread$|monitor:(merged|compacted|notified)$|store:(looked|part|completing|downloaded)$)/;
export const reachable = failpoints.filter((point) => !elsewhere.test(point));

export function pick<T>(from: readonly T[], dice: number): T {
  return from[Math.floor(dice * from.length)]!;
}
