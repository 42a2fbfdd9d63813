/** What a user's program is asked, what it may answer, and what a rollout sees of it. */
import { spawn } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { latencyBoundsMs, Package } from '../contracts/serving.ts';
import type { ReplicaStatus, Slots, VersionCounters } from '../contracts/serving.ts';
import type { Logger } from '../infra/log.ts';
import { readJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';

const Applied = z.object({
  ready: z.boolean(),
  reason: z.string().max(500).optional(),
  url: z.string().optional(),
});
const Health = z.object({
  healthy: z.boolean(),
  reason: z.string().max(500).optional(),
  /** Cumulative, as the endpoint counts them; what it does not count is left out, and guards nothing. */
  versions: z
    .array(
      z.object({
        version: z.int().positive(),
        requests: z.int().nonnegative(),
        errors: z.int().nonnegative(),
        rows: z.int().nonnegative().optional(),
        /** Counts of ≤ each of `latencyBoundsMs`, and one more. */
        latency: z
          .array(z.int().nonnegative())
          .length(latencyBoundsMs.length + 1)
          .optional(),
      }),
    )
    .default([]),
});

/** A cloud may take its time to start a machine. */
const applyMs = 30 * 60_000;
const healthMs = 30_000;
/** Tries of one change, before the rollout is told that it cannot be done. */
const patience = 3;

export interface TargetDeps {
  store: Store;
  log: Logger;
  /** Where packages are laid out for the program. */
  folder: string;
  model: string;
  command: readonly string[];
}

type Status = ReplicaStatus['models'][string];
type SlotVersion = NonNullable<Slots['champion']>;

export class Target {
  readonly #deps: TargetDeps;
  #status: Status = { epoch: 0, loaded: [], failed: [], counters: [] };
  #tries = { epoch: 0, count: 0 };
  url = '';

  constructor(deps: TargetDeps) {
    this.#deps = deps;
  }

  get status(): Status {
    return this.#status;
  }

  get epoch(): number {
    return this.#status.epoch;
  }

  /** @returns whether this change is settled, done or given up */
  async apply(slots: Slots): Promise<boolean> {
    if (slots.epoch <= this.epoch) return true;
    if (this.#tries.epoch !== slots.epoch) this.#tries = { epoch: slots.epoch, count: 0 };
    this.#tries.count++;
    const { model } = this.#deps;
    const champion = slots.champion && (await this.#laidOut(slots.champion));
    const challenger = slots.challenger && {
      ...(await this.#laidOut(slots.challenger)),
      share: slots.challenger.share,
      shadow: slots.challenger.shadow ?? 0,
    };
    const order = { action: 'apply', model, epoch: slots.epoch, champion, challenger };
    const { ready, reason = 'it is not ready', url } = await this.#ask(order, Applied, applyMs).catch(said);
    if (url !== undefined) this.url = url;
    const loaded = [champion, challenger].flatMap((slot) => (slot ? [slot.version] : []));
    if (ready) {
      this.#status = { epoch: slots.epoch, loaded, failed: [], counters: loaded.map(uncounted) };
      return true;
    }
    this.#deps.log.error({ epoch: slots.epoch, reason }, 'the program could not put the versions in place');
    if (this.#tries.count < patience) return false;
    const version = (slots.challenger ?? slots.champion)?.version;
    if (version !== undefined)
      this.#status = { ...this.#status, failed: [{ version, epoch: slots.epoch, reason }] };
    return true;
  }

  async look(): Promise<void> {
    const { model } = this.#deps;
    const { epoch, loaded } = this.#status;
    const asked = { action: 'health', model, epoch };
    const unwell = (error: unknown) => ({ healthy: false, reason: said(error).reason, versions: [] });
    const {
      healthy,
      reason = 'it is not healthy',
      versions,
    } = await this.#ask(asked, Health, healthMs).catch(unwell);
    const counters = versions.map((one) => ({
      ...uncounted(one.version),
      ...one,
      rows: one.rows ?? one.requests,
    }));
    const newest = loaded.at(-1);
    const failed = healthy || newest === undefined ? [] : [{ version: newest, epoch, reason }];
    this.#status = {
      ...this.#status,
      failed,
      ...(counters.length > 0 && { counters: counters.map(complete) }),
    };
  }

  /** Verified bytes in a folder of the version's own. */
  async #laidOut({ version, package: made }: SlotVersion) {
    const { store, folder, model } = this.#deps;
    const content = await readJsonBlob(store, made, Package);
    const place = join(folder, model, `v${version}`);
    await mkdir(place, { recursive: true });
    await copyFile(await store.localPath(content.onnx), join(place, 'model.onnx'));
    await copyFile(await store.localPath(content.golden), join(place, 'golden.json'));
    await writeFile(join(place, 'signature.json'), JSON.stringify(content.signature, null, 2));
    return { version, digest: made.sha256, folder: place };
  }

  /** @throws Error with what the program said, when it fails, is late, or answers something else */
  async #ask<T>(question: object, schema: z.ZodType<T>, ms: number): Promise<T> {
    const { stdout, stderr, code } = await this.#run(JSON.stringify(question), ms);
    const last = (text: string) => text.trim().split('\n').at(-1) ?? '';
    if (stderr) this.#deps.log.info({ stderr: stderr.slice(-2_000) }, 'the program said');
    if (code !== 0)
      throw new Error(`the program ended with ${code}: ${last(stderr || stdout).slice(0, 300)}`);
    try {
      return schema.parse(JSON.parse(last(stdout)));
    } catch (error) {
      throw new Error(`the program answered "${last(stdout).slice(0, 200)}"`, { cause: error });
    }
  }

  #run(input: string, ms: number): Promise<{ stdout: string; stderr: string; code: number | string }> {
    const [program, ...args] = this.#deps.command as [string, ...string[]];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], signal: AbortSignal.timeout(ms) });
    const heard = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream]
        .setEncoding('utf8')
        .on('data', (text: string) => (heard[stream] = (heard[stream] + text).slice(-65_536)));
    child.stdin.on('error', () => undefined); // it may answer without having read
    child.stdin.end(input);
    return new Promise((resolve, reject) => {
      child.on('error', (error) => reject(new Error(`the program cannot be run: ${error.message}`)));
      child.on('close', (code, signal) => resolve({ ...heard, code: code ?? signal ?? 'nothing' }));
    });
  }
}

function said(error: unknown): { ready: false; reason: string; url?: string } {
  return { ready: false, reason: error instanceof Error ? error.message.slice(0, 500) : String(error) };
}

function uncounted(version: number): VersionCounters {
  return {
    ...{ version, requests: 0, rows: 0, errors: 0 },
    latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0),
    agreement: { n: 0, x: 0, y: 0, xx: 0, yy: 0, xy: 0, same: 0 },
  };
}

function complete(
  counters: Omit<VersionCounters, 'latency'> & { latency?: number[] | undefined },
): VersionCounters {
  return { ...counters, latency: counters.latency ?? uncounted(counters.version).latency };
}
