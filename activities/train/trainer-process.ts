/** A trainer process, heard to its end: what it said, and how its leaving is to be taken. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/common';
import type { z } from 'zod';
import { permanent } from '../../contracts/failures.ts';
import { TrainerEvent } from '../../contracts/trainer.ts';
import type { Child } from '../../infra/child.ts';
import type { TrainerLog } from './trainer-log.ts';

export interface Listener {
  /** @returns a reason to stop here, if there is one */
  progress(step: number, steps: number, metrics: Record<string, number>): Promise<string | undefined>;
  metric(name: string, step: number, value: number): void;
  checkpoint(path: string): Promise<void>;
  device(name: string): void;
}

export interface TrainedModel {
  path: string;
  metrics: Record<string, number>;
  sample: string | undefined;
}

/** How a training ended that did not fail. A search's trial that was stopped may have no model. */
export interface Trained {
  model: TrainedModel | undefined;
  /** Why before its last step; null when it went to its end. */
  stopped: string | null;
}

export interface Bounds {
  /** Without a word for so long, the trainer is ended. */
  stallMs: number;
  /** Until the budget is spent; undefined for none. */
  budgetMs?: number | undefined;
}

/** A batch did not fit. Not an error yet: half of it may. */
export class OutOfMemory extends Error {
  override name = 'OutOfMemory';
}

/** It says nothing, and does not end. */
export class Stalled extends Error {
  override name = 'Stalled';
}

/** How long a trainer may take to write a last checkpoint. */
const graceMs = 5_000;
/** How long it may take to say its best model, once its budget is spent. */
const finishMs = 60_000;
/** 128 + 9 and 128 + 15: what shells and containers say of a program that a signal ended. */
const signalCodes = new Set([137, 143]);

/**
 * @param log filled by whoever forked it, with what is no word of the protocol
 * @throws `TrainingDiverged`, `TrainerFailed`; OutOfMemory, Stalled; CancelledFailure; Error for what a retry may mend
 */
export async function hearTrainer(
  child: Child,
  listener: Listener,
  log: TrainerLog,
  { stallMs, budgetMs }: Bounds,
  signal: AbortSignal,
): Promise<Trained> {
  const ended = new Ending(child);
  const onAbort = () => void ended.kill();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort);
  const watchdog = new Watchdog(stallMs, () => void ended.stall());
  const budget = budgetMs === undefined ? undefined : setTimeout(() => void ended.finish(), budgetMs);
  try {
    const heard = await hear(child, listener, log, ended, () => watchdog.touch());
    const { code, signal: deadly } = await child.exited;
    ended.left = true;
    refuseAborted(signal);
    if (ended.stalled) throw new Stalled(`the trainer said nothing for ${stallMs / 1_000} s and was ended`);
    if (heard.fault !== undefined) throw failed(null, heard.fault, log);
    if (heard.divergedAt !== undefined) throw diverged(heard.divergedAt);
    if (heard.outOfMemory !== undefined) throw new OutOfMemory(heard.outOfMemory);
    if (heard.stopped !== undefined) return { model: heard.model, stopped: heard.stopped };
    if (ended.finished) return afterBudget(heard.model, log);
    if (deadly || code === null || signalCodes.has(code)) {
      throw new Error(`the trainer was ended by ${deadly ?? `code ${code}`}${lastLines(log)}`);
    }
    if (code !== 0) throw failed(code, `the trainer left with code ${code}`, log);
    if (!heard.model) throw failed(code, 'the trainer left with code 0 and without a model', log);
    return { model: heard.model, stopped: null };
  } finally {
    clearTimeout(budget);
    watchdog.end();
    signal.removeEventListener('abort', onAbort);
    if (!ended.left) await ended.kill(); // what the listener could not store ends the training too
  }
}

/** The ways in which a trainer is ended from outside, each at most once. */
class Ending {
  left = false;
  stalled = false;
  finished = false;
  readonly #child: Child;
  #killed: Promise<void> | undefined;

  constructor(child: Child) {
    this.#child = child;
  }

  kill(grace = graceMs): Promise<void> {
    return (this.#killed ??= this.#child.kill(grace));
  }

  async stall(): Promise<void> {
    this.stalled = true;
    await this.kill();
  }

  /** Asks for the best model; who does not listen is ended, and what it had said counts. */
  async finish(): Promise<void> {
    this.finished = true;
    this.#child.finish();
    await Promise.race([this.#child.exited, sleep(finishMs, undefined, { ref: false })]);
    if (!this.left) await this.kill();
  }
}

class Watchdog {
  readonly #timer: NodeJS.Timeout;

  constructor(stallMs: number, bark: () => void) {
    this.#timer = setTimeout(bark, stallMs);
  }

  touch(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

interface Heard {
  model?: TrainedModel;
  divergedAt?: number;
  outOfMemory?: string;
  stopped?: string;
  /** The sentence about a line that breaks the protocol. */
  fault?: string;
}

async function hear(child: Child, listener: Listener, log: TrainerLog, ending: Ending, touch: () => void) {
  const heard: Heard = {};
  for await (const line of child.events) {
    touch();
    const { success, data: event, error } = TrainerEvent.safeParse(line);
    if (!success) {
      const fault = faultOf(line, error);
      if (fault !== undefined) {
        heard.fault ??= fault;
        void ending.kill();
      }
      continue;
    }
    const { stopped } = heard;
    // Words that were on their way when it was told to stop change nothing any more.
    if (stopped === undefined) await take(event, heard, listener, log);
    if (stopped === undefined && heard.stopped !== undefined) void ending.kill(0);
  }
  return heard;
}

async function take(event: TrainerEvent, heard: Heard, listener: Listener, log: TrainerLog): Promise<void> {
  switch (event.event) {
    case 'progress': {
      const stop = await listener.progress(event.step, event.steps, event.metrics);
      if (stop !== undefined) heard.stopped = stop;
      return;
    }
    case 'metric':
      return listener.metric(event.name, event.step, event.value);
    case 'log':
      return log.add(event.message);
    case 'device':
      return listener.device(event.name);
    case 'checkpoint':
      return listener.checkpoint(event.path);
    case 'diverged':
      heard.divergedAt = event.step;
      return;
    case 'out-of-memory':
      heard.outOfMemory = event.message || 'a batch did not fit in memory';
      return;
    case 'model':
      heard.model = { path: event.path, metrics: event.metrics, sample: event.sample };
  }
}

const words = new Set<unknown>(TrainerEvent.options.map((option) => option.shape.event.value));

/** Programs print JSON for reasons of their own; what has a word of the protocol must be spelled as it is there. */
function faultOf(line: Record<string, unknown>, error: z.ZodError): string | undefined {
  if (!words.has(line['event'])) return undefined;
  const [issue] = error.issues;
  const where = issue?.path.join('.') || 'event';
  return `the trainer said ${JSON.stringify(line).slice(0, 300)}, whose ${where} is wrong: ${issue?.message}`;
}

/** A line of the protocol that is not even JSON, such as one with NaN in it. @returns a sentence, or undefined */
export function unparsable(line: string): string | undefined {
  if (!/^\s*\{\s*"event"/.test(line)) return undefined;
  return `the trainer said a line that is not JSON (NaN and Infinity have no form in it): ${line.slice(0, 300)}`;
}

function afterBudget(model: TrainedModel | undefined, log: TrainerLog): Trained {
  if (model) return { model, stopped: 'budget' };
  throw failed(null, 'the budget was spent before the trainer had said a model', log);
}

/** A worker that shuts down has not been told to give up: the next attempt goes on from the checkpoint. */
function refuseAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const { reason } = signal as { reason: unknown };
  if (reason instanceof CancelledFailure && reason.message === 'WORKER_SHUTDOWN') {
    throw new Error('the worker is shutting down; training goes on from its last checkpoint');
  }
  throw reason;
}

const diverged = (step: number) =>
  permanent('TrainingDiverged', `the loss was not finite by step ${step}`, { step });

/** One sentence, and under it the trainer's own last words. */
export const failed = (exitCode: number | null, sentence: string, log: TrainerLog) =>
  permanent('TrainerFailed', `${sentence}${lastLines(log)}`, { exitCode });

function lastLines(log: TrainerLog): string {
  const tail = log.tail();
  return tail === '' ? '' : `; its last lines:\n${tail}`;
}
