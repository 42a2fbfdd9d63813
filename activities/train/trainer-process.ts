/** A trainer process, heard to its end: what it said, and how its leaving is to be taken. */
import { CancelledFailure } from '@temporalio/common';
import { permanent } from '../../contracts/failures.ts';
import { TrainerEvent } from '../../contracts/trainer.ts';
import type { Child } from '../../infra/child.ts';

export interface Listener {
  progress(step: number, steps: number, metrics: Record<string, number>): Promise<void>;
  checkpoint(path: string): Promise<void>;
}

export interface TrainedModel {
  path: string;
  metrics: Record<string, number>;
}

/** How long a trainer may take to write a last checkpoint. */
const graceMs = 5_000;
/** 128 + 9 and 128 + 15: what shells and containers say of a program that a signal ended. */
const signalCodes = new Set([137, 143]);

/**
 * @param lastLines of the trainer's standard error, filled by whoever forked it
 * @returns the model of the last `model` event
 * @throws `TrainingDiverged`, `TrainerFailed`; CancelledFailure; Error for what a retry may mend
 */
export async function hearTrainer(
  child: Child,
  listener: Listener,
  lastLines: readonly string[],
  signal: AbortSignal,
): Promise<TrainedModel> {
  let left = false;
  let killed: Promise<void> | undefined;
  const stop = () => (killed ??= child.kill(graceMs));
  if (signal.aborted) void stop();
  else signal.addEventListener('abort', stop);
  try {
    const heard = await hear(child, listener);
    const { code, signal: deadly } = await child.exited;
    left = true;
    refuseAborted(signal);
    if (heard.divergedAt !== undefined) throw diverged(heard.divergedAt);
    if (deadly || code === null || signalCodes.has(code)) {
      throw new Error(`the trainer was ended by ${deadly ?? `code ${code}`}: ${lastLines.join('\n')}`);
    }
    if (code !== 0) throw failed(code, `the trainer left with code ${code}: ${lastLines.join('\n')}`);
    if (!heard.model) throw failed(code, 'the trainer left without a model');
    return heard.model;
  } finally {
    signal.removeEventListener('abort', stop);
    if (!left) await stop(); // what the listener could not store ends the training too
  }
}

async function hear(child: Child, listener: Listener) {
  let model: TrainedModel | undefined;
  let divergedAt: number | undefined;
  for await (const line of child.events) {
    const { success, data: event } = TrainerEvent.safeParse(line);
    // Programs print JSON for reasons of their own; a word of the protocol is spelled as it is there.
    if (!success) continue;
    if (event.event === 'progress') await listener.progress(event.step, event.steps, event.metrics);
    if (event.event === 'checkpoint') await listener.checkpoint(event.path);
    if (event.event === 'diverged') divergedAt = event.step;
    if (event.event === 'model') model = { path: event.path, metrics: event.metrics };
  }
  return { model, divergedAt };
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

const failed = (exitCode: number, message: string) =>
  permanent('TrainerFailed', message.slice(0, 4_000), { exitCode });
