/**
 * The package: everything a replica needs to serve a version and everything a person needs to trust
 * it — the ONNX file, its signature, a golden batch with the predictions to repeat, the card, and the
 * reference that monitoring compares with.
 */
import type { Artifact } from '../../contracts/artifact.ts';
import { DatasetManifest } from '../../contracts/dataset.ts';
import { Scorecard } from '../../contracts/evaluation.ts';
import type { Input } from '../../contracts/lifecycle.ts';
import { PreparedManifest } from '../../contracts/prepared.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { Columns, Golden, Package, Signature } from '../../contracts/serving.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import { putJsonBlob, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { cardOf } from './card.ts';
import { columnsOf, rawInputSql } from './raw-columns.ts';
import type { RawRow } from './raw-columns.ts';
import { referenceOf } from './reference.ts';
import { watchOf } from './watch.ts';
import { withEngine } from '../engine.ts';
import type { EngineDeps } from '../engine.ts';

/** Rows of the golden batch: enough to meet every branch of a small graph, few enough to run at each load. */
const goldenRows = 32;
/** Another processor may add in another order; more than this is another model. */
const goldenTolerance = 1e-4;

export interface PackageDeps extends EngineDeps {
  store: Store;
  /** In a process with limits, whose empty folder it makes in `folder`. @returns the first output, row-major */
  score(modelPath: string, signature: Signature, columns: Columns, folder: string): Promise<number[]>;
}

export async function buildPackage(
  deps: PackageDeps,
  input: Input<'deploy'>,
): Promise<{ stored: Artifact; onnx: Artifact }> {
  const { store } = deps;
  const pinned = await readJsonBlob(store, input.project, PinnedProject);
  const prepared = await readJsonBlob(store, input.prepared.manifest, PreparedManifest);
  const dataset = await readJsonBlob(store, input.dataset.manifest, DatasetManifest);
  const scorecard = await readJsonBlob(store, input.scorecard.scorecard, Scorecard);
  const { signature } = prepared;
  const onnx = input.candidate.model;
  const referencePath = await store.localPath(prepared.reference.artifact);
  const rows = await Promise.all(dataset.parts.map(({ artifact }) => store.localPath(artifact)));
  const { foresight } = scorecard;
  const { golden, reference, watch } = await withEngine(deps, 'deploy', async (db, folder) => ({
    golden: await goldenOf(deps, db, folder, prepared, onnx),
    reference: await referenceOf(db, referencePath, signature, scorecard),
    watch:
      foresight &&
      (await watchOf(db, {
        ...{ prepared, dataset, pinned, foresight },
        paths: { reference: referencePath, dataset: rows },
        score: async (columns) => deps.score(await store.localPath(onnx), signature, columns, folder),
      })),
  }));
  const made: Package = {
    model: pinned.project.model,
    task: pinned.project.task,
    onnx,
    signature,
    golden: await putJsonBlob(store, golden),
    card: await store.putBlob(cardOf(pinned, dataset, prepared, scorecard, input), 'text/markdown'),
    scorecard: input.scorecard.scorecard,
    report: input.scorecard.report,
    // What is not written down as it is cannot be compared.
    reference: reference.filter(({ name }) => pinned.project.log.pii[name] === undefined),
    ...(watch && { watch: await putJsonBlob(store, watch) }),
    metrics: Object.fromEntries(Object.entries(scorecard.metrics).map(([name, { value }]) => [name, value])),
    lifecycleId: input.lifecycleId,
    datasetDigest: input.dataset.digest,
    window: input.window,
    project: input.project,
    log: pinned.project.log,
  };
  return { stored: await putJsonBlob(store, made), onnx };
}

async function goldenOf(
  deps: PackageDeps,
  db: DuckDb,
  folder: string,
  prepared: PreparedManifest,
  onnx: Artifact,
): Promise<Golden> {
  const { signature } = prepared;
  const holdout = await deps.store.localPath(prepared.holdout[0]!.artifact);
  const rows = await db.rows<RawRow>(
    `SELECT ${rawInputSql(signature)} FROM read_parquet(${quoteLiteral(holdout)}) LIMIT ${goldenRows}`,
  );
  const inputs = columnsOf(signature, rows);
  const outputs = await deps.score(await deps.store.localPath(onnx), signature, inputs, folder);
  return { rows: rows.length, inputs, outputs, tolerance: goldenTolerance };
}
