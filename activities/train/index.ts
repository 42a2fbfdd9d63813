/**
 * Train: a trainer process makes a model of the prepared parts; it is checked, joined with the transform,
 * and stored as one file.
 *
 * An attempt that is lost is resumed from its last checkpoint, and the embedded trainer then ends with the
 * very bytes it would have made in one go.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { Artifact } from '../../contracts/artifact.ts';
import type { Part } from '../../contracts/dataset.ts';
import type { Input, Output, StageActivities } from '../../contracts/lifecycle.ts';
import { PreparedManifest } from '../../contracts/prepared.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { TrainerRequest } from '../../contracts/trainer.ts';
import type { Child, ChildOptions } from '../../infra/child.ts';
import { hasCode } from '../../infra/errno.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { modelLimits } from '../../infra/onnx/scan.ts';
import { copyUntrusted, readUntrusted } from '../../infra/untrusted-file.ts';
import { readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { recorded } from '../record.ts';
import type { Lease } from '../lease.ts';
import { withWorkFolder } from '../work-folder.ts';
import { claimCheckpoints } from './checkpoints.ts';
import type { Checkpoints } from './checkpoints.ts';
import { packageModel } from './package-model.ts';
import { hearTrainer } from './trainer-process.ts';

export interface TrainDeps {
  store: Store;
  workDir: string;
  /** As infra/child.ts has it. */
  forkModule(url: URL, options: ChildOptions): Child;
}

const metricsAtMost = 100;
const checkpointBytesAtMost = 64 * 1_024 ** 3;

/** What a heartbeat says, for people and for the next attempt. */
const Beat = z.object({
  step: z.number(),
  steps: z.number(),
  metrics: z.record(z.string(), z.number()),
  checkpoint: z.object({ step: z.number(), checkpoint: Artifact }).optional(),
});
type Beat = z.infer<typeof Beat>;

export function createTrain(deps: TrainDeps): Pick<StageActivities, 'train'> {
  return {
    train: (unparsed) =>
      recorded(deps.store, 'train', unparsed, async (input, lease) => {
        const startedAt = Date.now();
        const { trained, resumedFrom } = await withWorkFolder(deps.workDir, 'train', (folder) =>
          trainIn(folder, deps, input, lease),
        );
        return {
          output: { ...trained, seconds: (Date.now() - startedAt) / 1_000 },
          inputs: { project: input.project, prepared: input.prepared.manifest },
          details: { resumedFrom },
        };
      }),
  };
}

async function trainIn(folder: string, deps: TrainDeps, input: Input<'train'>, lease: Lease) {
  const { store } = deps;
  const { cancellationSignal } = Context.current();
  const { project, root } = await readJsonBlob(store, input.project, PinnedProject);
  const manifest = await readJsonBlob(store, input.prepared.manifest, PreparedManifest);
  const checkpoints = await claimCheckpoints(store, input, lease, lastBeat()?.checkpoint);
  await failpoint('train:claimed');
  const requestPath = await writeRequest(folder, store, project.trainer, manifest, checkpoints.last);

  const lines: string[] = [];
  const onText = (line: string) => void (lines.push(line) > 20 && lines.shift());
  const child = deps.forkModule(...trainerOf(project.trainer, requestPath, root, onText));
  const { beat, listener } = listenerOf(checkpoints, folder);
  const { path, metrics } = await hearTrainer(child, listener, lines, cancellationSignal);

  await failpoint('train:trained');
  const transform = await readFile(await store.localPath(manifest.transform));
  const made = await readUntrusted(path, { within: join(folder, 'work'), maxBytes: modelLimits.bytes });
  const packaged = packageModel(manifest, transform, made, 'the model that the trainer made');
  const model = await store.putBlob(packaged, 'application/onnx');
  const trained: Omit<Output<'train'>, 'seconds'> = {
    model,
    metrics: finite({ ...beat.metrics, ...metrics }),
    steps: beat.step,
  };
  return { trained, resumedFrom: checkpoints.last ?? null };
}

function lastBeat(): Beat | undefined {
  return Beat.safeParse(Context.current().info.heartbeatDetails).data;
}

type Trainer = z.infer<typeof PinnedProject>['project']['trainer'];

function trainerOf(
  trainer: Trainer,
  requestPath: string,
  root: string,
  onText: (line: string) => void,
): [URL, ChildOptions] {
  if (trainer.backend === 'onnx') {
    return [new URL('./onnx-trainer.ts', import.meta.url), { args: [requestPath], onText }];
  }
  const args = [JSON.stringify(trainer.command), requestPath];
  return [new URL('./command-trainer.ts', import.meta.url), { args, onText, cwd: root }];
}

async function writeRequest(
  folder: string,
  store: Pick<Store, 'localPath'>,
  trainer: Trainer,
  manifest: PreparedManifest,
  last: Checkpoints['last'],
): Promise<string> {
  const work = join(folder, 'work');
  await mkdir(work);
  const { task, layout, columns, rows } = manifest;
  const request: TrainerRequest = {
    ...{ task, layout, columns, work },
    train: await pathsOf(store, manifest.train),
    validation: await pathsOf(store, manifest.validation),
    rows: { train: rows.train, validation: rows.validation },
    parameters: trainer.backend === 'onnx' ? trainer : trainer.parameters,
    seed: trainer.seed,
    ...(last ? { checkpoint: await store.localPath(last.checkpoint) } : {}),
  };
  const path = join(folder, 'request.json');
  await writeFile(path, JSON.stringify(request));
  return path;
}

async function pathsOf(store: Pick<Store, 'localPath'>, parts: readonly Part[]): Promise<string[]> {
  const paths: string[] = [];
  for (const { artifact } of parts) paths.push(await store.localPath(artifact));
  return paths;
}

/** Passes on what the trainer says as heartbeats; `beat` is the last of them. */
function listenerOf(checkpoints: Checkpoints, folder: string) {
  const { last } = checkpoints;
  const beat: Beat = { step: last?.step ?? 0, steps: 0, metrics: {}, ...(last ? { checkpoint: last } : {}) };
  const send = () => Context.current().heartbeat(beat);
  /** By way of a copy: the trainer may put another file, or a link, in its place meanwhile. */
  const saved = async (path: string, step: number) => {
    const copy = join(folder, 'checkpoint');
    try {
      await copyUntrusted(path, copy, { within: join(folder, 'work'), maxBytes: checkpointBytesAtMost });
      return await checkpoints.save(copy, step);
    } finally {
      await rm(copy, { force: true });
    }
  };
  return {
    beat,
    listener: {
      async progress(step: number, steps: number, metrics: Record<string, number>) {
        Object.assign(beat, { step, steps, metrics: finite({ ...beat.metrics, ...metrics }) });
        send();
        await failpoint('train:progress');
      },
      async checkpoint(path: string) {
        const { step } = beat;
        await failpoint('train:checkpoint');
        const checkpoint = await saved(path, step).catch(unlessReplaced(path));
        if (!checkpoint) return;
        await failpoint('train:checkpointed');
        beat.checkpoint = { step, checkpoint };
        send();
      },
    },
  };
}

/** A trainer keeps its newest checkpoint only: one that is gone when its turn comes has a successor on the way. */
function unlessReplaced(path: string): (error: unknown) => undefined {
  return (error) => {
    if (hasCode(error, 'ENOENT') && (error as { path?: string }).path === path) return undefined;
    throw error;
  };
}

/** Finite ones, and not more than a heartbeat can carry. */
function finite(metrics: Record<string, number>): Record<string, number> {
  const fit = Object.entries(metrics).filter(([name, value]) => Number.isFinite(value) && name.length <= 100);
  return Object.fromEntries(fit.slice(0, metricsAtMost));
}
