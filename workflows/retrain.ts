/**
 * The retrain controller: whether a trigger that no person pulled may start a lifecycle, and when. Part of the model entity.
 *
 * Cooldown counts in event time, so that a replay of the past behaves as the past would have; debounce, quiet hours and a
 * month's budget are about people and machines, and count in theirs.
 */
import type { Trigger } from '../contracts/lifecycle.ts';
import type { Disposition, ModelState, ProjectSetup } from '../contracts/model.ts';
import type { Budget, Quiet, RetrainPolicy, Spent } from '../contracts/retrain.ts';
import { quick } from './stages.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** A model that cannot be mended by retraining is not tried more seldom than this. */
const backOffAtMostMs = 60 * dayMs;
const cooldownAtLeastMs = 3_600_000;

/** The trigger is answered, or it may go on: at once, or not before. */
export type Held = { answer: Disposition } | { notBefore?: { until: string; why: string } };

export async function hold(state: ModelState, setup: ProjectSetup, trigger: Trigger): Promise<Held> {
  const cooling = coolingDown(state, setup, trigger);
  if (cooling) return { answer: cooling };
  const { retrain } = setup;
  if (!retrain) return {};
  const over = await overBudget(state.model, retrain.budget);
  if (over !== undefined) return { answer: { status: 'ignored', why: over, code: 'budget' } };
  if (retrain.mode === 'suggest')
    return { answer: { status: 'suggested', why: 'the project has its retraining started by people' } };
  const now = Date.now();
  const settled = now + retrain.debounceMs;
  const until = quietUntil(settled, retrain.quiet);
  if (until <= now) return {};
  const why = until > settled ? 'quiet hours' : 'more reasons may come';
  return { notBefore: { until: new Date(until).toISOString(), why } };
}

/** Before 0.5.0 without a code. */
function coolingDown(state: ModelState, setup: ProjectSetup, { at }: Trigger): Disposition | undefined {
  const { lookedUntil: since } = state;
  if (since === null) return undefined;
  const tries = state.fruitless ?? 0;
  const wait = cooldownOf(setup, tries);
  if (Date.parse(at) - Date.parse(since) >= wait) return undefined;
  const until = new Date(Date.parse(since) + wait).toISOString();
  if (!setup.retrain) return { status: 'ignored', why: `cooldown until ${until}` };
  if (wait === setup.cooldownMs)
    return { status: 'ignored', why: `cooldown until ${until}`, code: 'cooldown' };
  const why = `${tries} retrainings in a row shipped nothing: the next not before ${until}`;
  return { status: 'ignored', why, code: 'back-off' };
}

/** Doubled for each retraining that shipped nothing, from so many on. */
export function cooldownOf({ cooldownMs, retrain }: ProjectSetup, fruitless: number): number {
  if (!retrain || fruitless < retrain.fruitlessAtMost) return cooldownMs;
  const doubled = Math.max(cooldownMs, cooldownAtLeastMs) * 2 ** (fruitless - retrain.fruitlessAtMost + 1);
  return Math.max(cooldownMs, Math.min(doubled, backOffAtMostMs));
}

/** Counts a lifecycle that ended. Of one that a person asked for, or stopped, nothing is learned. */
export function countFruits(state: ModelState, trigger: Trigger, status: string): void {
  if (status === 'deployed') state.fruitless = 0;
  const vain = ['gate-missed', 'rolled-back', 'bad-data', 'rejected', 'failed'].includes(status);
  if (vain && trigger.kind !== 'manual') state.fruitless = (state.fruitless ?? 0) + 1;
}

async function overBudget(model: string, budget: Budget): Promise<string | undefined> {
  if (Object.keys(budget).length === 0) return undefined;
  const now = new Date();
  const since = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)).toISOString();
  const spent = await quick.spent({ model, since });
  for (const what of ['runs', 'seconds', 'money'] as const) {
    const limit = budget[what];
    if (limit === undefined || spent[what] < limit) continue;
    return `the month's budget is spent: ${amount(what, spent)} of ${limit} since ${since.slice(0, 10)}`;
  }
  return undefined;
}

const amount = (what: keyof Spent, spent: Spent): string =>
  what === 'runs' ? `${spent.runs} runs` : `${spent[what].toFixed(what === 'money' ? 2 : 0)} ${what}`;

/** The first moment from `at` on that is in no quiet hours. */
export function quietUntil(at: number, quiet: readonly Quiet[]): number {
  let moment = at;
  // Hours that follow upon each other: at most all of them once, and once more.
  for (let turn = 0; turn <= quiet.length; turn++) {
    const ends = quiet.map((hours) => endOf(moment, hours)).filter((end) => end > moment);
    if (ends.length === 0) return moment;
    moment = Math.max(...ends);
  }
  return moment;
}

/** When the quiet hours end that `at` lies in; `at` itself if it does not. */
function endOf(at: number, { from, until, days }: Quiet): number {
  const midnight = Math.floor(at / dayMs) * dayMs;
  for (const day of [midnight - dayMs, midnight]) {
    if (days && !days.includes(new Date(day).getUTCDay())) continue;
    const start = day + from * minuteMs;
    const end = day + until * minuteMs + (until <= from ? dayMs : 0);
    if (at >= start && at < end) return end;
  }
  return at;
}

/** Where the data of a retraining begins. @param windowMs what the project says, and the most of `since-change` */
export function windowStart(
  trigger: Trigger,
  { windowMs, retrain }: ProjectSetup,
  firstFrom: string | undefined,
): string {
  const sliding = new Date(Date.parse(trigger.at) - windowMs).toISOString();
  const kind = trigger.kind === 'manual' ? 'sliding' : (retrain?.window ?? 'sliding');
  if (kind === 'expanding') return firstFrom !== undefined && firstFrom < sliding ? firstFrom : sliding;
  const { since } = trigger;
  // A change of yesterday has too little data behind it to learn from.
  const enough = since !== undefined && Date.parse(trigger.at) - Date.parse(since) >= windowMs / 10;
  return kind === 'since-change' && enough && since > sliding ? since : sliding;
}

/** Of the policy, what a lifecycle is told. */
export function mustBeat({ kind }: Trigger, retrain: RetrainPolicy | undefined): boolean {
  return kind !== 'manual' && (retrain?.mustBeat ?? false);
}
