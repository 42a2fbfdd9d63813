/**
 * Evaluate: score the packaged model, and the champion, on holdout rows that neither was trained on in this
 * lifecycle; hold the numbers against gates that were frozen before training; file scorecard and report.
 *
 * Running it twice gives the same scorecard: the draws of its intervals are seeded.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Scorecard } from '../../contracts/evaluation.ts';
import { permanent } from '../../contracts/failures.ts';
import type { Input, Output, StageActivities } from '../../contracts/lifecycle.ts';
import { PreparedManifest } from '../../contracts/prepared.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { Child, ChildOptions } from '../../infra/child.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { readSignature } from '../../infra/onnx/signature.ts';
import { codeDigest, nodeDigest } from '../../infra/code-digest.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { canonicalJson, putJsonBlob, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { recorded } from '../record.ts';
import type { Origin } from '../reuse.ts';
import { withWorkFolder } from '../work-folder.ts';
import { foresightOf } from './foresight.ts';
import { beaten, judgeGates } from './gates.ts';
import { outputWidth } from './judge.ts';
import { readHoldout, refuseOneClass } from './holdout.ts';
import { shuffleInputs } from './importance.ts';
import { renderReport } from './report.ts';
import { scoreParts, scoringLimits } from './score-parts.ts';
import { alignClasses, scorecardOf } from './scorecard.ts';

export interface EvaluateDeps {
  store: Store;
  workDir: string;
  openDuckDb(folder: string): Promise<DuckDb>;
  /** As infra/child.ts has it. */
  forkModule(url: URL, options: ChildOptions): Child;
}

export function createEvaluate(deps: EvaluateDeps): Pick<StageActivities, 'evaluate'> {
  return {
    evaluate: (unparsed) =>
      recorded(
        deps.store,
        'evaluate',
        unparsed,
        async (input) => {
          const pinned = await readJsonBlob(deps.store, input.project, PinnedProject);
          refuseMovedGates(pinned);
          const manifest = await readJsonBlob(deps.store, input.prepared.manifest, PreparedManifest);
          const scorecard = await withWorkFolder(deps.workDir, 'evaluate', (folder) =>
            scoreIn(folder, { deps, input, pinned, manifest }),
          );
          await failpoint('evaluate:scored');
          return {
            output: await file(deps.store, input, pinned, scorecard),
            inputs: {
              project: input.project,
              prepared: input.prepared.manifest,
              candidate: input.candidate.model,
              ...(input.champion ? { champion: input.champion.model } : {}),
            },
            details: { intervals: '95 %, Poisson bootstrap, 200 replicates, seed 1' },
          };
        },
        (input) => originOf(deps.store, input),
      ),
  };
}

async function originOf(store: Store, input: Input<'evaluate'>): Promise<Origin> {
  const { project, gatesDigest } = await readJsonBlob(store, input.project, PinnedProject);
  const { model, owner, task, label, gates, slices } = project;
  const { candidate, champion, prepared, mustBeat } = input;
  return {
    code: codeDigest(
      ...['activities/evaluate', 'activities/monitor/comparison', 'activities/monitor/statistics'],
      ...['activities/heard.ts', 'infra/onnx', 'infra/page'],
    ),
    environment: nodeDigest(),
    parameters: { model, owner, task, label, gates, gatesDigest, slices, ...(mustBeat && { mustBeat }) },
    data: {
      prepared: prepared.manifest.sha256,
      candidate: [candidate.model.sha256, candidate.metrics],
      champion: champion && [champion.version, champion.model.sha256],
    },
  };
}

/** Rules that were changed after they were pinned are not the rules. */
function refuseMovedGates({ project, gatesDigest }: PinnedProject): void {
  const actual = createHash('sha256').update(canonicalJson(project.gates)).digest('hex');
  if (actual === gatesDigest) return;
  const details = { uri: 'project.gates', expected: gatesDigest, actual };
  throw permanent('DigestMismatch', 'the gates are not those that were frozen', details);
}

interface Work {
  deps: EvaluateDeps;
  input: Input<'evaluate'>;
  pinned: PinnedProject;
  manifest: PreparedManifest;
}

async function scoreIn(folder: string, { deps, input, pinned, manifest }: Work): Promise<Scorecard> {
  const context = Context.current();
  const parts: string[] = [];
  for (const { artifact } of manifest.holdout) parts.push(await deps.store.localPath(artifact));
  const db = await deps.openDuckDb(folder);
  try {
    const { labels, slices } = await readHoldout(db, manifest, parts, pinned.project.slices);
    refuseOneClass(manifest, labels);
    const models = [await deps.store.localPath(input.candidate.model)];
    if (input.champion) models.push(await deps.store.localPath(input.champion.model));
    const shuffled = await shuffleInputs(db, manifest, parts, folder);
    const [scored, outputs] = await scoreParts(
      {
        forkModule: deps.forkModule,
        folder,
        signal: context.cancellationSignal,
        scored: (rows) => context.heartbeat({ doing: 'scoring', rows, of: labels.length }),
      },
      models,
      parts,
      { ...scoringLimits, shuffled: shuffled?.path },
    );
    const holdout = labels.length * outputWidth(manifest.signature);
    const [candidate, more] = [scored!.subarray(0, holdout), scored!.subarray(holdout)];
    const champion = input.champion &&
      outputs && { version: input.champion.version, outputs: await aligned(manifest, models[1]!, outputs) };
    const compared = { candidate, champion, labels, slices, trained: input.candidate.metrics };
    const scorecard = await scorecardOf(manifest, compared, async () => {
      context.heartbeat({ doing: 'intervals' });
      context.cancellationSignal.throwIfAborted();
      await setImmediate();
    });
    const seen = {
      ...{ labels, outputs: candidate },
      ...(shuffled && { shuffled: { ...shuffled, outputs: more } }),
    };
    return { ...scorecard, foresight: await foresightOf(db, manifest, seen) };
  } finally {
    await db.close();
  }
}

async function aligned({ task, signature }: PreparedManifest, path: string, outputs: Float32Array) {
  if (task !== 'multiclass-classification') return outputs;
  const { classes } = readSignature(await readFile(path));
  return alignClasses(outputs, classes, signature.classes);
}

async function file(
  store: Store,
  input: Input<'evaluate'>,
  pinned: PinnedProject,
  scorecard: Scorecard,
): Promise<Output<'evaluate'>> {
  const numbers = { ...scorecard.fit, ...valuesOf(scorecard.metrics) };
  const champions = scorecard.champion && valuesOf(scorecard.champion.metrics);
  const gates = judgeGates(pinned.project.gates, numbers, champions);
  if (input.mustBeat && champions) gates.push(...beaten(pinned.project.gates, numbers, champions));
  const passed = gates.every((gate) => gate.passed);
  const artifact = await putJsonBlob(store, scorecard);
  const html = await renderReport({
    input,
    pinned,
    scorecard,
    gates,
    passed,
    scorecardDigest: artifact.sha256,
  });
  const { champion } = scorecard;
  return {
    rows: scorecard.rows,
    metrics: scorecard.metrics,
    ...(champion ? { champion: { version: champion.version, metrics: champion.metrics } } : {}),
    gates,
    passed,
    gatesDigest: pinned.gatesDigest,
    scorecard: artifact,
    report: await store.putBlob(html, 'text/html'),
  };
}

const valuesOf = (metrics: Scorecard['metrics']): Record<string, number | null> =>
  Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value]));
