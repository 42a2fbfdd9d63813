/** Hears a trainer: what it says becomes heartbeats, a curve, and checkpoints in the store. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { Artifact } from '../../contracts/artifact.ts';
import { hasCode } from '../../infra/errno.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { copyUntrusted } from '../../infra/untrusted-file.ts';
import type { Checkpoints } from './checkpoints.ts';
import { SeriesRecorder } from './series.ts';
import type { Listener } from './trainer-process.ts';

const metricsAtMost = 100;
const checkpointBytesAtMost = 64 * 1_024 ** 3;

/** What a heartbeat says, for people and for the next attempt. */
export const Beat = z.object({
  /** What goes on beside the steps: an environment is built, devices are waited for. */
  doing: z.string().optional(),
  step: z.number(),
  steps: z.number(),
  metrics: z.record(z.string(), z.number()),
  /** What it runs on. */
  device: z.string().optional(),
  /** Of the leased devices: how busy they are, in [0, 1], and the memory they use together. */
  use: z.object({ utilization: z.number(), memoryBytes: z.number() }).optional(),
  checkpoint: z.object({ step: z.number(), checkpoint: Artifact }).optional(),
});
export type Beat = z.infer<typeof Beat>;

/** A look of a search at a trial that goes on. @returns why it should stop, if it should */
export type Judge = (step: number, steps: number, series: SeriesRecorder) => Promise<string | undefined>;

export class TrainingListener implements Listener {
  readonly beat: Beat;
  readonly series = new SeriesRecorder();
  readonly #checkpoints: Checkpoints;
  readonly #folder: string;
  readonly #judge: Judge | undefined;

  constructor(checkpoints: Checkpoints, folder: string, judge?: Judge) {
    const { last } = checkpoints;
    this.beat = { step: last?.step ?? 0, steps: 0, metrics: {}, ...(last ? { checkpoint: last } : {}) };
    this.#checkpoints = checkpoints;
    this.#folder = folder;
    this.#judge = judge;
  }

  /** A word for people; none takes the last one back. */
  say(doing?: string): void {
    if (doing === undefined) delete this.beat.doing;
    else this.beat.doing = doing.slice(0, 200);
    this.#send();
  }

  async progress(step: number, steps: number, metrics: Record<string, number>): Promise<string | undefined> {
    Object.assign(this.beat, { step, steps, metrics: finite({ ...this.beat.metrics, ...metrics }) });
    delete this.beat.doing;
    for (const [name, value] of Object.entries(metrics)) this.series.add(name, step, value);
    this.#send();
    await failpoint('train:progress');
    return this.#judge?.(step, steps, this.series);
  }

  metric(name: string, step: number, value: number): void {
    this.series.add(name, step, value);
    this.beat.metrics = finite({ ...this.beat.metrics, [name]: value });
  }

  device(name: string): void {
    this.beat.device = name;
    this.#send();
  }

  use(utilization: number, memoryBytes: number): void {
    this.beat.use = { utilization, memoryBytes };
    this.#send();
  }

  async checkpoint(path: string): Promise<void> {
    const { step } = this.beat;
    await failpoint('train:checkpoint');
    const checkpoint = await this.#saved(path, step).catch(unlessReplaced(path));
    if (!checkpoint) return;
    await failpoint('train:checkpointed');
    this.beat.checkpoint = { step, checkpoint };
    this.#send();
  }

  /** By way of a copy: the trainer may put another file, or a link, in its place meanwhile. */
  async #saved(path: string, step: number): Promise<Artifact> {
    const copy = join(this.#folder, 'checkpoint');
    try {
      const bounds = { within: join(this.#folder, 'work'), maxBytes: checkpointBytesAtMost };
      await copyUntrusted(path, copy, bounds);
      return await this.#checkpoints.save(copy, step);
    } finally {
      await rm(copy, { force: true });
    }
  }

  #send(): void {
    Context.current().heartbeat(this.beat);
  }
}

/** A trainer keeps its newest checkpoint only: one that is gone when its turn comes has a successor on the way. */
function unlessReplaced(path: string): (error: unknown) => undefined {
  return (error) => {
    if (hasCode(error, 'ENOENT') && (error as { path?: string }).path === path) return undefined;
    throw error;
  };
}

/** Finite ones, and not more than a heartbeat can carry. */
export function finite(metrics: Record<string, number>): Record<string, number> {
  const fit = Object.entries(metrics).filter(([name, value]) => Number.isFinite(value) && name.length <= 100);
  return Object.fromEntries(fit.slice(0, metricsAtMost));
}
