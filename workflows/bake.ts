/**
 * One step's bake: looks at intervals until its time is up, the version looks bad, or somebody has decided. Part of
 * the workflow `rollout`.
 *
 * While it is paused, the bake time stands still and the looks go on: a bad signal still takes the version back.
 */
import { condition, continueAsNew, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { Observation, RolloutPlan, RolloutProgress, Step } from '../contracts/rollout.ts';
import type { People } from './rollout-people.ts';
import { stepText } from './rollout-view.ts';
import type { rollout, Stop } from './rollout.ts';
import { onReplicas } from './stages.ts';

/** Looks per bake at least, so that a bad version is stopped in a quarter of the time it could last. */
const looksPerBake = 4;
/** In a long bake errors are looked for at least this often. */
const lookEveryMs = 10 * 60_000;
/** The prediction log is read at most so often in one bake: it costs a pass over all rows since the beginning. */
const logLooksPerBake = 50;

export class Bake {
  /** ab: who was shown to be better. */
  winner: 'champion' | 'challenger' | undefined;

  readonly #plan: RolloutPlan;
  readonly #progress: RolloutProgress;
  readonly #people: People;
  readonly #historyAtMost: number;
  readonly #show: (doing: string) => void;

  constructor(
    plan: RolloutPlan,
    progress: RolloutProgress,
    people: People,
    historyAtMost: number,
    show: (doing: string) => void,
  ) {
    this.#plan = plan;
    this.#progress = progress;
    this.#people = people;
    this.#historyAtMost = historyAtMost;
    this.#show = show;
  }

  /** @returns why it stops, or undefined when the step is done or somebody has decided how it goes on */
  async through(step: Step): Promise<Stop | undefined> {
    const [progress, people] = [this.#progress, this.#people];
    const everyMs = this.#everyMs(step);
    while ((progress.leftMs > 0 || progress.paused) && !people.decided) {
      const woken = await this.#wait(step, everyMs);
      if (people.decided) return undefined;
      if (woken) continue;
      const seen = await this.#look(step, everyMs);
      if (!seen.healthy) return { status: 'rolled-back', reason: seen.reason };
      if (this.winner === 'challenger') return undefined;
      this.#show(`serves ${stepText(step)}`);
      await this.#goOn();
    }
    return people.decided ? undefined : this.#tied(step);
  }

  /** Before 0.4.0 a bake had four looks, however long it was. */
  #everyMs({ bakeMs }: Step): number {
    const quarter = bakeMs / looksPerBake;
    return Math.max(1, this.#plan.traffic ? Math.min(quarter, lookEveryMs) : quarter);
  }

  /** Until the next look is due. @returns whether somebody said something before */
  async #wait(step: Step, everyMs: number): Promise<boolean> {
    const [progress, people] = [this.#progress, this.#people];
    const { paused } = progress;
    const { mode, share } = step;
    // A pause may last: its looks become rarer, down to those of a long bake.
    const waitMs = paused
      ? Math.min(Math.max(everyMs, lookEveryMs), everyMs * Math.max(1, progress.looks))
      : Math.min(everyMs, progress.leftMs);
    const began = Date.now();
    const summary = paused
      ? `paused in ${mode} at ${share}`
      : `look ${progress.looks + 1}, ${mode} at ${share}`;
    const woken = await condition(() => people.decided || progress.paused !== paused, waitMs, { summary });
    const passedMs = woken ? Math.min(waitMs, Date.now() - began) : waitMs;
    if (!paused) progress.leftMs = Math.max(0, progress.leftMs - passedMs);
    if (progress.paused !== paused) {
      upsertSearchAttributes({ EsteiraState: [progress.paused ? 'paused' : 'running'] });
      this.#show(`serves ${stepText(step)}`);
    }
    return woken;
  }

  async #look({ mode, share, bakeMs }: Step, everyMs: number): Promise<Observation> {
    const progress = this.#progress;
    const { project, model, version, traffic } = this.#plan;
    const { champion, since } = progress;
    const look = progress.looks++;
    const logEvery = Math.ceil(bakeMs / everyMs / logLooksPerBake);
    const log = look % logEvery === 0 || (progress.leftMs === 0 && !progress.paused);
    const asked = { project, model, version, champion, epoch: progress.epoch!, share };
    const seen = await onReplicas.observe.executeWithOptions({ summary: `look ${look + 1} at ${share}` }, [
      traffic ? { ...asked, log, mode, since: since! } : asked,
    ]);
    this.winner = seen.winner ?? undefined;
    return (progress.last = log ? seen : withKnown(seen, progress.last));
  }

  /** Goes on as new where the history grows long: never with a message half handled, for handlers do not wait. */
  async #goOn(): Promise<void> {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    if (this.#people.decided) return; // which is not carried on
    if (!continueAsNewSuggested && historyLength < this.#historyAtMost) return;
    await continueAsNew<typeof rollout>({ ...this.#plan, progress: this.#progress }, this.#historyAtMost);
  }

  #tied({ mode, tie }: Step): Stop | undefined {
    if (mode !== 'ab' || tie === 'challenger') return undefined;
    const reason = "neither was shown to be better in time, and a tie is the champion's";
    return { status: 'taken-back', reason };
  }
}

/** A look without the log keeps what the last look into it has found. */
function withKnown(seen: Observation, last: Observation | null): Observation {
  const fresh = new Set(seen.guards?.map(({ guard }) => guard));
  const known = last?.guards?.filter(({ guard }) => !fresh.has(guard)) ?? [];
  return { ...seen, ...(seen.guards && { guards: [...seen.guards, ...known] }) };
}
