/** `esteira show`: one model with its slots, or one version with its card. */
import { Package, VersionRecord } from '../contracts/serving.ts';
import { readBytes, readJson, readJsonBlob } from '../infra/store/json.ts';
import type { Esteira } from './index.ts';
import { table } from './output.ts';

/** @param name `flights`, `flights@champion` (or `challenger`, `previous`), `flights/3` */
export async function showModel(esteira: Esteira, name: string): Promise<{ value: unknown; text: string }> {
  const [, model, slot, number] =
    /^([a-z0-9-]+)(?:@(champion|challenger|previous)|\/([1-9][0-9]*))?$/.exec(name) ?? [];
  if (model === undefined) {
    throw new Error(`"${name}" is not a model; write flights, flights@champion or flights/3`);
  }
  const described = await esteira.describe(model);
  if (!described)
    throw new Error(`no model ${model} was ever run; \`esteira run <project>\` starts its first lifecycle`);
  const version = slot ? described.slots?.[slot as 'champion']?.version : number && Number(number);
  if (slot && !version) throw new Error(`${model} has no ${slot} now`);
  if (version) return showVersion(esteira, model, version);

  const { slots, versions, inFlight, pending, waitsFor } = described;
  const role = (n: number) =>
    (['champion', 'challenger', 'previous'] as const).find((one) => slots?.[one]?.version === n) ?? '';
  const rows = versions
    .toReversed()
    .map((one) => [String(one.version), role(one.version), one.lifecycleId, one.quarantined ?? '']);
  const text = [
    `${model} waits for ${waitsFor}`,
    `epoch ${slots?.epoch ?? 0}, ${described.lifecycles} lifecycles${inFlight ? `, in flight: ${inFlight.lifecycleId} (${inFlight.trigger.reason})` : ''}${pending ? `, next: ${pending.trigger.reason}` : ''}`,
    '',
    table(['version', 'slot', 'from', 'quarantined because'], rows),
  ].join('\n');
  return { value: described, text };
}

async function showVersion(
  esteira: Esteira,
  model: string,
  version: number,
): Promise<{ value: unknown; text: string }> {
  const found = await readJson(esteira.store, `models/${model}/versions/${version}.json`, VersionRecord);
  if (!found) throw new Error(`${model} has no version ${version}`);
  const made = await readJsonBlob(esteira.store, found.value.package, Package);
  const card = new TextDecoder().decode(await readBytes(esteira.store, made.card));
  const report = await esteira.store.localPath(made.report);
  return { value: { ...found.value, package: made, reportPath: report }, text: `${card}\nReport: ${report}` };
}
