/**
 * Batch scoring: reads and checks the inputs, claims the output, fills it part by part, and closes it.
 *
 * Each of these may be done again at any time, by a retry or by a run that is asked for once more: what is in the
 * output already is found, not made anew.
 */
import { availableParallelism } from 'node:os';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { parse, permanent } from '../../contracts/failures.ts';
import { ScoredPart, ScoreManifest, ScorePlan, ScoreRequest } from '../../contracts/score.ts';
import type { ScoreActivities, ScoreOutcome, ScorePlanned } from '../../contracts/score.ts';
import { Package } from '../../contracts/serving.ts';
import type { Child, ChildOptions } from '../../infra/child.ts';
import { sha256 } from '../../infra/digest.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { canonicalJson, createJson, putJsonBlob, readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { withEngine } from '../engine.ts';
import type { EngineDeps } from '../engine.ts';
import { scoreBatch } from './batch.ts';
import type { BatchDone } from './batch.ts';
import { outputColumns, versionColumn } from './columns.ts';
import { filesOf, s3Input } from './inputs.ts';
import { claimDigest, claimOutput, foundPart, listed, manifestKey, tidyFolder } from './output.ts';
import { batchesOf, partsOf } from './parts.ts';
import { keptPrefix, readInput } from './read.ts';
import type { ReadFile } from './read.ts';

export interface ScoreDeps extends EngineDeps {
  store: Store;
  /** A place that is not ours: an input's bucket, an output. To be closed by who opens it. */
  openPlace(uri: string, options: { readOnly?: boolean }): Promise<Store>;
  /** As infra/child.ts has it. */
  forkModule(url: URL, options: ChildOptions): Child;
}

const BatchRecord = z.object({ parts: z.array(ScoredPart), found: z.int() });

export function createScore(deps: ScoreDeps): ScoreActivities {
  const { store } = deps;
  return {
    planScore: (unparsed) => planned(deps, parse(ScoreRequest, unparsed)),

    async scoreBatch(input) {
      const request = parse(ScoreRequest, input.request);
      const plan = await readJsonBlob(store, input.plan, ScorePlan);
      const { onnx } = await readJsonBlob(store, request.package, Package);
      const model = await store.localPath(onnx);
      const context = Context.current();
      const done = await withPlaces(deps, request, ({ out, s3 }) =>
        withEngine(deps, 'score', (db, folder) =>
          scoreBatch({
            ...{ store, forkModule: deps.forkModule, folder, signal: context.cancellationSignal },
            ...{ request, plan, batch: input.batch, model, s3 },
            committing: { out, db, request, digest: plan.digest },
            said: (rows) => context.heartbeat({ rows }),
          }),
        ),
      );
      await createJson(store, recordKey(request, plan.digest, input.batch), done);
      await failpoint('score:filed');
      const rows = done.parts.reduce((sum, part) => sum + part.rows, 0);
      return { rows, parts: done.parts.length, found: done.found };
    },

    async closeScore({ request: unparsed, planned }) {
      const request = parse(ScoreRequest, unparsed);
      const plan = await readJsonBlob(store, planned.plan, ScorePlan);
      return withPlaces(deps, request, (places) => closed(deps, request, plan, places.out));
    },

    async tidyScore({ scoreId }) {
      const keys: string[] = [];
      for await (const { key } of store.list(keptPrefix(scoreId))) keys.push(key);
      for (const key of keys) await store.delete(key);
    },
  };
}

const recordKey = ({ scoreId }: ScoreRequest, digest: string, batch: number): string =>
  `${keptPrefix(scoreId)}${digest.slice(0, 16)}/${batch}.json`;

async function planned(deps: ScoreDeps, request: ScoreRequest): Promise<ScorePlanned> {
  const { store } = deps;
  const { onnx, signature } = await readJsonBlob(store, request.package, Package);
  await store.localPath(onnx); // that it is there, and whole, is known before anything is written
  const read = await withInput(deps, request, (s3) =>
    withEngine(deps, 'score', async (db, folder) => {
      const files = await filesOf(db, request.input, s3);
      const found: ReadFile[] = [];
      for (const file of files) {
        Context.current().heartbeat({
          doing: `reading ${file.name}`,
          step: found.length,
          steps: files.length,
        });
        found.push(await readInput({ store, db, folder, request, signature }, file));
      }
      return found;
    }),
  );
  await failpoint('score:read');
  const parts = partsOf(read.map(({ input }) => input));
  const inputs = read.map(({ input: { name, bytes, rows, sha256: digest } }) => ({
    ...{ name, bytes, rows },
    sha256: digest,
  }));
  const { model, version, keep = null } = request;
  const claim = { model, version, package: request.package.sha256, onnx: onnx.sha256, keep, inputs, parts };
  const digest = claimDigest(claim);
  const parallel = request.parallel ?? availableParallelism();
  const batches = batchesOf(parts, parallel);
  const plan = await putJsonBlob(store, {
    claim,
    digest,
    sources: read.map(({ source }) => source),
    batches,
  });
  const rows = inputs.reduce((sum, one) => sum + one.rows, 0);
  const outcome = await claimed(deps, request, { claim, digest });
  await failpoint('score:claimed');
  return {
    plan,
    digest,
    rows,
    parts: parts.length,
    batches: batches.length,
    parallel,
    ...(outcome && { outcome }),
  };
}

/** @returns how it ended, when the very same was scored before to its end */
async function claimed(
  deps: ScoreDeps,
  request: ScoreRequest,
  { claim, digest }: Pick<z.infer<typeof ScorePlan>, 'claim' | 'digest'>,
): Promise<ScoreOutcome | undefined> {
  const out = await deps.openPlace(request.output, {});
  try {
    await claimOutput(out, request, claim);
    const whole = await readJson(out, manifestKey, ScoreManifest);
    if (whole?.value.plan !== digest) return undefined;
    await tidyFolder(out);
    return outcomeOf(request, whole.value, whole.value.parts.length);
  } finally {
    await out.close();
  }
}

async function closed(
  deps: ScoreDeps,
  request: ScoreRequest,
  plan: z.infer<typeof ScorePlan>,
  out: Store,
): Promise<ScoreOutcome> {
  const { claim, digest, batches } = plan;
  const { signature } = await readJsonBlob(deps.store, request.package, Package);
  const there = await listed(out);
  const parts: ScoredPart[] = [];
  let found = 0;
  for (const batch of batches.keys()) {
    const record = await readJson(deps.store, recordKey(request, digest, batch), BatchRecord);
    const done = record?.value ?? (await lookedAt(deps, request, plan, batch, out));
    parts.push(...done.parts);
    found += done.found;
  }
  const gone = parts.find(({ name, bytes }) => there.get(name) !== bytes);
  if (gone) throw lost(request, gone.name);
  const added = [...outputColumns(signature), { name: versionColumn, type: 'INTEGER' }];
  const { parts: _, ...about } = claim;
  const manifest: ScoreManifest = {
    ...about,
    plan: digest,
    outputs: added.map(({ name, type }) => ({ name, type })),
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    rowsWithoutPrediction: parts.reduce((sum, part) => sum + part.rowsWithoutPrediction, 0),
    parts,
  };
  await failpoint('score:closing');
  await createJson(out, manifestKey, manifest);
  await failpoint('score:closed');
  await tidyFolder(out);
  return outcomeOf(request, manifest, found);
}

/** For a run that was reset after it was over: its records are tidied away, and the parts say it all themselves. */
function lookedAt(
  deps: ScoreDeps,
  request: ScoreRequest,
  { claim, digest, batches }: z.infer<typeof ScorePlan>,
  batch: number,
  out: Store,
): Promise<BatchDone> {
  const { from, until } = batches[batch]!;
  return withEngine(deps, 'score', async (db) => {
    const parts: ScoredPart[] = [];
    for (const part of claim.parts.slice(from, until)) {
      const found = await foundPart({ out, db, request, digest }, part);
      if (!found) throw lost(request, part.name);
      parts.push(found);
    }
    return { parts, found: parts.length };
  });
}

function lost({ output }: ScoreRequest, name: string) {
  const message = `${name} was changed or deleted in ${output} since it was written; ask once more, and it is made again`;
  return permanent('OutputTaken', message, { output });
}

function outcomeOf(request: ScoreRequest, manifest: ScoreManifest, found: number): ScoreOutcome {
  const { output, model, version } = request;
  const { rows, rowsWithoutPrediction, parts } = manifest;
  const digest = sha256(canonicalJson(manifest));
  return {
    output,
    model,
    version,
    rows,
    parts: parts.length,
    found,
    rowsWithoutPrediction,
    manifest: digest,
  };
}

async function withPlaces<T>(
  deps: ScoreDeps,
  request: ScoreRequest,
  use: (places: { out: Store; s3: Store | undefined }) => Promise<T>,
): Promise<T> {
  const out = await deps.openPlace(request.output, {});
  try {
    return await withInput(deps, request, (s3) => use({ out, s3 }));
  } finally {
    await out.close();
  }
}

async function withInput<T>(
  deps: ScoreDeps,
  { input }: ScoreRequest,
  use: (s3: Store | undefined) => Promise<T>,
): Promise<T> {
  if (!input.startsWith('s3://')) return use(undefined);
  const s3 = await deps.openPlace(s3Input(input).folder, { readOnly: true });
  try {
    return await use(s3);
  } finally {
    await s3.close();
  }
}
