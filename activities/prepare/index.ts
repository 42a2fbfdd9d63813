/**
 * Prepare: split the rows without leaks, fit the transform on the training rows, write feature parts, and
 * compile the same transform to ONNX.
 *
 * All row work is SQL. Running it twice gives the same digests, since every order is total and every sum
 * is taken by one thread.
 */
import { Context } from '@temporalio/activity';
import type { Artifact } from '../../contracts/artifact.ts';
import { DatasetManifest } from '../../contracts/dataset.ts';
import type { Input, StageActivities } from '../../contracts/lifecycle.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { Project } from '../../contracts/project.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { codeDigest, nodeDigest } from '../../infra/code-digest.ts';
import { putJsonBlob, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { recorded } from '../record.ts';
import type { Origin } from '../reuse.ts';
import { withWorkFolder } from '../work-folder.ts';
import { describeFitted, layoutOf } from './fitted.ts';
import type { Fitted } from './fitted.ts';
import { fit } from './fit.ts';
import { prepareImported } from './imported.ts';
import { existing, planFeatures } from './plan.ts';
import { signatureOf } from './signature.ts';
import { orderRows } from './tables.ts';
import { compileTransform } from './transform-onnx.ts';
import { countClasses, weightSql } from './weights.ts';
import { writeSides } from './sides.ts';

export interface PrepareDeps {
  store: Store;
  openDuckDb(folder: string): Promise<DuckDb>;
  /** For spilled rows and the part being written; each attempt cleans up after itself. */
  workDir: string;
}

export function createPrepare(deps: PrepareDeps): Pick<StageActivities, 'prepare'> {
  return {
    prepare: (unparsed) =>
      recorded(
        deps.store,
        'prepare',
        unparsed,
        async (input) => {
          const { project, imported } = await readJsonBlob(deps.store, input.project, PinnedProject);
          const dataset = await readJsonBlob(deps.store, input.dataset.manifest, DatasetManifest);
          const prepared = await withWorkFolder(deps.workDir, 'prepare', (folder) =>
            withDatabase(deps, folder, (db) => {
              const work = { deps, db, folder, input, project, dataset };
              return imported ? prepareImported({ ...work, beat }, imported) : prepareRows(work);
            }),
          );
          return {
            output: { manifest: await putJsonBlob(deps.store, prepared), rows: prepared.rows },
            inputs: { project: input.project, dataset: input.dataset.manifest },
            details: {
              dropped: dataset.rows - sum(prepared.rows),
              shuffledLabels: input.shuffleLabels ?? false,
            },
          };
        },
        (input) => originOf(deps.store, input),
      ),
  };
}

async function originOf(store: Store, input: Input<'prepare'>): Promise<Origin | string> {
  const { project, imported } = await readJsonBlob(store, input.project, PinnedProject);
  if (imported) return 'the model was trained elsewhere';
  const { task, key, time, label, features, split, slices, trainer } = project;
  const classWeight = trainer.backend === 'onnx' ? trainer.classWeight : undefined;
  return {
    code: codeDigest('activities/prepare', 'infra/onnx', 'infra/duckdb.ts'),
    environment: nodeDigest(),
    parameters: {
      task,
      key,
      time,
      label,
      features,
      split,
      slices,
      classWeight,
      shuffled: input.shuffleLabels ?? false,
    },
    data: input.dataset.digest,
  };
}

interface Work {
  deps: PrepareDeps;
  db: DuckDb;
  folder: string;
  input: Input<'prepare'>;
  project: Project;
  dataset: DatasetManifest;
}

async function prepareRows(work: Work): Promise<PreparedManifest> {
  const { deps, db, project, dataset } = work;
  const plans = planFeatures(project, dataset.columns);
  for (const name of [project.key, project.time, ...project.slices]) existing(name, dataset.columns);
  if (project.split.by === 'group') existing(project.split.column, dataset.columns);

  const paths: string[] = [];
  for (const part of dataset.parts) paths.push(await deps.store.localPath(part.artifact));
  beat('reading', dataset.rows);
  const { classes, rows, dropped } = await orderRows(db, project, dataset, paths);
  beat('ordered', sum(rows));
  const counts = await countClasses(db, classes, rows.train);
  const fitted = await onOneThread(db, () =>
    fit(db, plans, `(SELECT * FROM ordered WHERE rowid < ${rows.train})`),
  );
  beat('fitted', rows.train);

  const signature = signatureOf(project.task, plans, dataset.columns, classes);
  return {
    task: project.task,
    key: project.key,
    time: project.time,
    label: project.label,
    columns: dataset.columns,
    signature,
    layout: layoutOf(fitted, classes),
    transform: await putTransform(deps.store, fitted, signature.inputs),
    ...(await writeSides({
      ...work,
      fitted,
      classes,
      rows,
      beat,
      weight: weightSql(project, counts, '__label'),
    })),
    rows,
    fitted: { ...describeFitted(fitted), [project.label]: { dropped, classes: counts } },
  };
}

async function putTransform(
  store: Pick<Store, 'putBlob'>,
  fitted: Fitted,
  inputs: PreparedManifest['signature']['inputs'],
): Promise<Artifact> {
  return store.putBlob(compileTransform(fitted, inputs), 'application/onnx');
}

/** Cancelling the activity interrupts the query that runs. */
async function withDatabase<T>(
  deps: PrepareDeps,
  folder: string,
  use: (db: DuckDb) => Promise<T>,
): Promise<T> {
  const { cancellationSignal } = Context.current();
  const db = await deps.openDuckDb(folder);
  const interrupt = () => db.interrupt();
  cancellationSignal.addEventListener('abort', interrupt);
  try {
    return await use(db);
  } catch (error) {
    cancellationSignal.throwIfAborted();
    throw error;
  } finally {
    cancellationSignal.removeEventListener('abort', interrupt);
    await db.close();
  }
}

async function onOneThread<T>(db: Pick<DuckDb, 'run'>, work: () => Promise<T>): Promise<T> {
  await db.run('SET threads = 1');
  const result = await work();
  await db.run('RESET threads');
  return result;
}

/** Shown in Temporal's UI while the stage runs. */
function beat(doing: string, rows: number): void {
  Context.current().heartbeat({ doing, rows });
}

const sum = ({ train, validation, holdout }: PreparedManifest['rows']) => train + validation + holdout;
