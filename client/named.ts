/** Models and versions as people name them: `flights`, `flights@champion`, `flights/3`. */
import type { ModelDescription } from '../contracts/model.ts';
import { Package, VersionRecord } from '../contracts/serving.ts';
import { readJson, readJsonBlob } from '../infra/store/json.ts';
import { NotFound } from './errors.ts';
import type { Esteira } from './index.ts';

export const slotNames = ['champion', 'challenger', 'previous'] as const;
type SlotName = (typeof slotNames)[number];

/** @returns no version for a model alone. @throws {NotFound} */
export async function named(
  esteira: Esteira,
  name: string,
): Promise<{ description: ModelDescription; version?: number }> {
  const [, model, slot, number] =
    /^([a-z][a-z0-9-]*)(?:@(champion|challenger|previous)|\/([1-9][0-9]*))?$/.exec(name) ?? [];
  if (model === undefined) {
    throw new NotFound(`"${name}" names no model; write flights, flights@champion or flights/3`);
  }
  const description = await esteira.describe(model);
  if (!description)
    throw new NotFound(
      `no model ${model} was ever run; \`esteira run <project>\` starts its first lifecycle`,
    );
  if (number !== undefined) return { description, version: Number(number) };
  if (slot === undefined) return { description };
  const version = description.slots?.[slot as SlotName]?.version;
  if (version === undefined) throw new NotFound(`${model} has no ${slot} now`);
  return { description, version };
}

/** @throws {NotFound} */
export async function versionOf(
  { store }: Esteira,
  model: string,
  version: number,
): Promise<{ record: VersionRecord; package: Package }> {
  const found = await readJson(store, `models/${model}/versions/${version}.json`, VersionRecord);
  if (!found)
    throw new NotFound(`${model} has no version ${version}; \`esteira show ${model}\` lists those it has`);
  return { record: found.value, package: await readJsonBlob(store, found.value.package, Package) };
}

/** One version, the champion where a model alone is named. @throws {NotFound} also for one that is barred */
export async function usableVersion(
  esteira: Esteira,
  name: string,
): Promise<{ record: VersionRecord; package: Package }> {
  const { description, version = description.slots?.champion?.version } = await named(esteira, name);
  const { model, versions } = description;
  if (version === undefined)
    throw new NotFound(`${model} serves no version yet; name one, such as ${model}/1`);
  const barred = versions.find((one) => one.version === version)?.quarantined;
  if (barred) throw new NotFound(`${model}/${version} is barred: ${barred}`);
  return versionOf(esteira, model, version);
}
