/**
 * All runs of a store, from their records. A file in the cache spares reading again what has not changed: it holds
 * for each record the time and the size it had, and is believed for exactly these. Deleting it costs time only.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TrialRecord } from '../../contracts/experiment.ts';
import { sha256 } from '../../infra/digest.ts';
import { hasCode } from '../../infra/errno.ts';
import { ownName } from '../../infra/local.ts';
import { findKeys } from '../../infra/store/find.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Listed, Store } from '../../infra/store/store.ts';
import { pack, unpack } from './packed.ts';
import type { Kept } from './packed.ts';
import { EvaluateRecord, runOf, TrainRecord, trialRunOf } from './run.ts';
import type { Run } from './run.ts';

const readsAtOnce = 32;

/** Whose records make a lifecycle's row. */
const stages = ['train', 'evaluate'];

export interface Catalogue {
  runs: Run[];
  /** A sentence for each record that could not be read. */
  faults: string[];
  /** Records read this time; the others were known. */
  read: number;
}

export interface Scope {
  cacheHome: string;
  model?: string | undefined;
  /** Trials of searches, instead of lifecycles. */
  trials?: boolean;
  /** Of this lifecycle only, such as 3; needs `model`. */
  number?: number;
}

/** In no order. Cost when nothing has changed: a look at the time of each record, and one file. */
export async function readCatalogue(store: Store, scope: Scope): Promise<Catalogue> {
  const trials = scope.trials ?? false;
  const base = `runs/lifecycle/${scope.model ?? '*'}/${scope.number ?? '*'}`;
  const tails = trials ? ['search/*/record.json'] : stages.map((stage) => `${stage}/record.json`);
  const found = grouped(await findKeys(store, base, tails), trials);
  const file = join(scope.cacheHome, 'runs', `${sha256(store.uri)}${trials ? '-trials' : ''}.json`);
  const kept = await readKept(file);
  const faults: string[] = [];
  const stale = [...found].filter(([place, { stamp }]) => kept.get(place)?.stamp !== stamp);
  for (let i = 0; i < stale.length; i += readsAtOnce) {
    const chunk = stale.slice(i, i + readsAtOnce).map(async ([place, { stamp }]) => {
      const run = await readRun(store, place, trials).catch((error: unknown) => {
        faults.push(`${place} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      });
      if (run) kept.set(place, { stamp, run });
      else kept.delete(place);
    });
    await Promise.all(chunk);
  }
  const gone = [...kept.keys()].filter((place) => !found.has(place) && isIn(base, place));
  for (const place of gone) kept.delete(place);
  if (stale.length + gone.length > 0) await writeKept(file, kept);
  const runs = [...found.keys()].flatMap((place) => kept.get(place)?.run ?? []);
  return { runs, faults, read: stale.length };
}

/** Places with a stamp over the records they have; a lifecycle without a training is none. */
function grouped(listed: readonly Listed[], trials: boolean): Map<string, { stamp: string }> {
  const places = new Map<string, { stamp: string; trained: boolean }>();
  for (const { key, bytes, modifiedAt } of listed) {
    const [place, stage] = placeOf(key);
    const one = places.get(place) ?? { stamp: '', trained: trials };
    one.stamp += `${stage}:${modifiedAt.getTime()}:${bytes} `;
    one.trained ||= stage === 'train';
    places.set(place, one);
  }
  for (const [place, { trained }] of places) if (!trained) places.delete(place);
  return places;
}

/** `…/search/17/record.json` → `…/search/17`, 17; `…/3/train/record.json` → `…/3`, train */
function placeOf(key: string): [place: string, last: string] {
  const folder = key.slice(0, -'/record.json'.length);
  const cut = folder.lastIndexOf('/');
  const last = folder.slice(cut + 1);
  return [stages.includes(last) ? folder.slice(0, cut) : folder, last];
}

/** What was found says nothing about places outside the base. */
function isIn(base: string, place: string): boolean {
  return base.split('/').every((segment, i) => segment === '*' || segment === place.split('/')[i]);
}

async function readRun(store: Store, place: string, trial: boolean): Promise<Run | undefined> {
  if (trial) {
    const record = await readJson(store, `${place}/record.json`, TrialRecord);
    return record && trialRunOf(record.value);
  }
  const [train, evaluate] = await Promise.all([
    readJson(store, `${place}/train/record.json`, TrainRecord),
    readJson(store, `${place}/evaluate/record.json`, EvaluateRecord),
  ]);
  return train && runOf(train.value, evaluate?.value);
}

/** Nothing, when there is no file, or another release wrote it, or it is damaged: then all is read again. */
async function readKept(file: string): Promise<Map<string, Kept>> {
  try {
    return unpack((await readFile(file)).toString()); // in one piece: decoding it as a stream costs a third more
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return new Map();
    throw error;
  }
}

/** Whole or not at all; a cache that cannot be written makes the next list slow, not this one wrong. */
async function writeKept(file: string, kept: ReadonlyMap<string, Kept>): Promise<void> {
  const own = join(dirname(file), ownName());
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(own, pack(kept));
    await rename(own, file);
  } catch (error) {
    if (!hasCode(error, 'EACCES', 'EROFS', 'ENOSPC', 'EPERM')) throw error;
  }
}
