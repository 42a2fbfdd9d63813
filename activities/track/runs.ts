/**
 * `mlflow.json` beside the records: which run of the tracking server a lifecycle or a trial has, so that it never
 * gets a second one. Found in this order: in the store, by its tag on the server, else made.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Mlflow, MlflowRun, Tags } from '../../infra/mlflow.ts';
import { createJson, readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export interface TrackDeps {
  store: Store;
  /** Undefined when MLFLOW_TRACKING_URI is not set: then nothing is tracked. */
  mlflow: Mlflow | undefined;
  log: { warn(about: object, message: string): void };
}

export interface Subject {
  lifecycleId: string;
  trial?: number | undefined;
}

const Remembered = z.object({
  /** Of the server: another one has another run. */
  uri: z.string(),
  runId: z.string(),
});

const folderOf = ({ lifecycleId, trial }: Subject): string =>
  trial === undefined ? `runs/${lifecycleId}` : `runs/${lifecycleId}/search/${trial}`;
export const rememberedKey = (subject: Subject): string => `${folderOf(subject)}/mlflow.json`;
export const markKey = (subject: Subject): string => `${folderOf(subject)}/mlflow-mark.json`;

/** `flights/3`, `flights/3/17` */
export function nameOf({ lifecycleId, trial }: Subject): string {
  const name = lifecycleId.slice('lifecycle/'.length);
  return trial === undefined ? name : `${name}/${trial}`;
}

/** What a run is found by: the same for every attempt, and for no lifecycle of another store. */
const keyTag = 'esteira.key';

const StoreId = z.object({ id: z.string() });

/** Two stores may tell one server, and each has a `flights/1`; so may the same folder, emptied and filled again. */
export async function storeId(store: Store): Promise<string> {
  const key = 'tracking/id.json';
  const known = await readJson(store, key, StoreId);
  if (known) return known.value.id;
  await createJson(store, key, { id: randomUUID() });
  return (await readJson(store, key, StoreId))!.value.id;
}

/** The run that the subject has on this server; undefined when none was opened, or it is gone. */
export async function rememberedRun(
  store: Store,
  mlflow: Mlflow,
  subject: Subject,
): Promise<string | undefined> {
  const known = await readJson(store, rememberedKey(subject), Remembered);
  if (!known || known.value.uri !== mlflow.settings.uri) return undefined;
  return (await mlflow.getRun(known.value.runId))?.runId;
}

/** @param startedMs for a run that has to be made */
export async function openRun(
  { store, mlflow }: { store: Store; mlflow: Mlflow },
  subject: Subject,
  startedMs: number,
): Promise<MlflowRun> {
  const known = await readJson(store, rememberedKey(subject), Remembered);
  if (known && known.value.uri === mlflow.settings.uri) {
    const run = await mlflow.getRun(known.value.runId);
    if (run) return run;
  }
  const key = `${await storeId(store)}/${nameOf(subject)}`;
  const found = await mlflow.findRun(keyTag, key);
  const run = found ?? (await make({ store, mlflow }, subject, key, startedMs));
  const wanted = { uri: mlflow.settings.uri, runId: run.runId };
  if (await swapJson(store, rememberedKey(subject), wanted, known?.etag)) return run;
  return theirs({ store, mlflow }, subject, run, found === undefined);
}

/** Another attempt remembered a run at the same moment: that one stands, and ours goes. */
async function theirs(
  { store, mlflow }: { store: Store; mlflow: Mlflow },
  subject: Subject,
  ours: MlflowRun,
  made: boolean,
): Promise<MlflowRun> {
  const now = await readJson(store, rememberedKey(subject), Remembered);
  if (now?.value.runId === ours.runId) return ours;
  const run = now && (await mlflow.getRun(now.value.runId));
  if (!run) throw new Error(`the MLflow run of ${nameOf(subject)} changed at the same moment`);
  if (made) await mlflow.deleteRun(ours.runId);
  return run;
}

async function make(
  deps: { store: Store; mlflow: Mlflow },
  subject: Subject,
  key: string,
  startedMs: number,
): Promise<MlflowRun> {
  const name = nameOf(subject);
  const { lifecycleId, trial } = subject;
  const parent = trial === undefined ? undefined : await openRun(deps, { lifecycleId }, startedMs);
  const tags: Tags = {
    [keyTag]: key,
    'esteira.run': name,
    'esteira.lifecycle': lifecycleId,
    'esteira.model': lifecycleId.split('/')[1]!,
    'mlflow.source.name': 'esteira',
    'mlflow.source.type': 'PROJECT',
    ...(parent && { 'mlflow.parentRunId': parent.runId }),
  };
  return deps.mlflow.createRun(name, startedMs, tags);
}
