/**
 * What people say to a rollout: wait, go on, go to the end, go back. Part of the workflow `rollout`.
 *
 * Validators check shape only, for a refused update leaves no trace; whether it fits the moment is answered as a
 * value. A handler changes this state and nothing else: no command follows from it but in the rollout's own turn, so
 * that updates and the signal `superseded` may change places in a replay.
 */
import { setHandler } from '@temporalio/workflow';
import { parse } from '../contracts/failures.ts';
import { Abort, Intervention } from '../contracts/rollout.ts';
import type { Act, InterventionAnswer, RolloutProgress } from '../contracts/rollout.ts';
import { abortUpdate, pauseUpdate, promoteUpdate, resumeUpdate, supersededSignal } from './messages.ts';

/** As many as are carried on; who says more is not heard. */
const actsAtMost = 100;

export class People {
  readonly #progress: Pick<RolloutProgress, 'acts' | 'paused'>;
  /** By the entity: a rollback, or a newer version. */
  superseded: string | undefined;
  aborted: (Abort & { at: string }) | undefined;
  promoted: Act | undefined;
  closed = false;

  constructor(progress: Pick<RolloutProgress, 'acts' | 'paused'>) {
    this.#progress = progress;
    const shape = { validator: (said: Intervention) => void parse(Intervention, said) };
    setHandler(supersededSignal, (reason) => void (this.superseded = String(reason).slice(0, 500)));
    setHandler(pauseUpdate, (said) => this.#hear('pause', said), shape);
    setHandler(resumeUpdate, (said) => this.#hear('resume', said), shape);
    setHandler(promoteUpdate, (said) => this.#hear('promote', said), shape);
    setHandler(abortUpdate, (said) => this.#hear('abort', said), {
      validator: (said: Abort) => void parse(Abort, said),
    });
  }

  /** Somebody has decided how it ends. */
  get decided(): boolean {
    return this.superseded !== undefined || this.aborted !== undefined || this.promoted !== undefined;
  }

  #hear(act: Act['act'], said: Intervention & { quarantine?: boolean }): InterventionAnswer {
    const { acts, paused } = this.#progress;
    if (this.closed || this.decided) return refused('closed', `it ends: ${this.#why()}`);
    if (act === 'pause' && paused) return refused('already', 'it is paused');
    if (act === 'resume' && !paused) return refused('already', 'it is not paused');
    if (acts.length >= actsAtMost) return refused('closed', `it has been told ${actsAtMost} things`);
    const at = new Date().toISOString();
    const heard = { act, by: said.by, reason: said.reason, at };
    acts.push(heard);
    if (act === 'pause' || act === 'resume') this.#progress.paused = act === 'pause';
    if (act === 'promote') this.promoted = heard;
    if (act === 'abort') this.aborted = { ...said, quarantine: said.quarantine ?? false, at };
    return { accepted: true, doing: doing[act] };
  }

  #why(): string {
    if (this.superseded !== undefined) return this.superseded;
    const last = this.#progress.acts.at(-1);
    return this.decided && last ? `${last.act} by ${last.by}` : 'it is over';
  }
}

const doing = {
  pause: 'the bake time stands still; the guards go on looking',
  resume: 'the bake time runs again',
  promote: 'the rest of the bakes is skipped; it becomes champion once every replica is ready',
  abort: 'its traffic goes back to the champion',
} as const;

function refused(code: 'closed' | 'already', detail: string): InterventionAnswer {
  return { accepted: false, code, detail };
}
