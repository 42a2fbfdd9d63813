/** Registered models of the tracking server: a version for each of ours, and aliases where our slots point. */
import { Slots } from '../../contracts/serving.ts';
import type { Mlflow, MlflowRun, ModelVersion } from '../../infra/mlflow.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { storeId } from './runs.ts';

/** The server counts versions by itself, and other stores may tell it of theirs: ours is a tag. */
const versionTag = 'esteira.version';
const storeTag = 'esteira.store';
const aliases = ['champion', 'challenger'] as const;
/** Slots may move while aliases are set; more often than this, and the next call follows them. */
const looks = 3;

export async function registerVersion(
  { store, mlflow }: { store: Store; mlflow: Mlflow },
  run: MlflowRun,
  { model, version, sha256 }: { model: string; version: number; sha256: string },
): Promise<void> {
  await mlflow.ensureModel(model, 'Kept by Esteira: aliases follow its slots.');
  const id = await storeId(store);
  if (ours(await mlflow.versions(model), id, version)) return;
  const tags = { [versionTag]: String(version), [storeTag]: id, 'esteira.digest.model': sha256 };
  await mlflow.createVersion(model, `${run.artifactUri}/model`, run.runId, tags);
}

function ours(versions: readonly ModelVersion[], id: string, version: number): ModelVersion | undefined {
  return versions.find(({ tags }) => tags[storeTag] === id && tags[versionTag] === String(version));
}

/** An alias of a version that the server does not have goes away, for it would lie. */
export async function followSlots(store: Store, mlflow: Mlflow, model: string): Promise<void> {
  const id = await storeId(store);
  for (let look = 0; look < looks; look++) {
    const slots = await readSlots(store, model);
    if (!slots) return;
    const [versions, now] = await Promise.all([mlflow.versions(model), mlflow.aliases(model)]);
    if (versions.length === 0) return;
    for (const alias of aliases) {
      const slot = slots[alias];
      const wanted = slot ? ours(versions, id, slot.version)?.version : undefined;
      if (wanted === now[alias]) continue;
      if (wanted === undefined) await mlflow.deleteAlias(model, alias);
      else await mlflow.setAlias(model, alias, wanted);
    }
    if ((await readSlots(store, model))?.epoch === slots.epoch) return;
  }
}

async function readSlots(store: Store, model: string): Promise<Slots | undefined> {
  return (await readJson(store, `models/${model}/current.json`, Slots))?.value;
}
