/** `esteira show`: one model with its slots, or one version with its card and its report. */
import type { BookAlert } from '../contracts/alerts.ts';
import type { Bar, ModelDescription } from '../contracts/model.ts';
import type { RolloutRecord } from '../contracts/rollout.ts';
import type { Package, Slots, VersionRecord } from '../contracts/serving.ts';
import { readBytes } from '../infra/store/json.ts';
import { openText } from './alert-text.ts';
import { openAlerts } from './alerts.ts';
import { convergenceOf, convergenceText } from './convergence.ts';
import type { Convergence } from './convergence.ts';
import type { Esteira } from './index.ts';
import { named, slotNames, versionOf } from './named.ts';
import { table } from './output.ts';
import { barText, recordText } from './rollout-text.ts';
import { barRecords, rolloutRecords } from './rollout.ts';

export type Shown =
  | { kind: 'model'; description: ModelDescription; serving: Convergence; alerts: BookAlert[] }
  | {
      kind: 'version';
      record: VersionRecord;
      package: Package;
      card: string;
      report: string;
      /** Oldest first. */
      rollouts: RolloutRecord[];
      bars: Bar[];
    };

/** @param name `flights`, `flights@champion` (or `challenger`, `previous`), `flights/3` */
export async function showModel(esteira: Esteira, name: string): Promise<Shown> {
  const { description, version } = await named(esteira, name);
  const { model } = description;
  if (version !== undefined) return showVersion(esteira, model, version);
  const alerts = await openAlerts(esteira.store, model);
  return { kind: 'model', description, serving: await convergenceOf(esteira.store, model), alerts };
}

async function showVersion(esteira: Esteira, model: string, version: number): Promise<Shown> {
  const { record, package: made } = await versionOf(esteira, model, version);
  const card = new TextDecoder().decode(await readBytes(esteira.store, made.card));
  const report = await esteira.report(made.report, `${model}-v${version}`);
  const rollouts = await rolloutRecords(esteira.store, model, version);
  const bars = await barRecords(esteira.store, model, version);
  return { kind: 'version', record, package: made, card, report, rollouts, bars };
}

export function shownText(shown: Shown): string {
  if (shown.kind === 'model') return modelText(shown);
  const { record, card, report, rollouts, bars } = shown;
  const from = `${record.model} version ${record.version}, from ${record.lifecycleId}`;
  const history = [...rollouts.map(recordText), ...bars.map(barText)].join('\n\n');
  return [from, withoutFrontMatter(card).trim(), ...(history ? [history] : []), `Report: ${report}`].join(
    '\n\n',
  );
}

function modelText({ description, serving, alerts }: Shown & { kind: 'model' }): string {
  const { summary, details } = convergenceText(serving);
  const { model, slots, versions, inFlight, pending, waitsFor, lifecycles } = description;
  const rows = versions.toReversed().map(({ version, lifecycleId, quarantined }) => [
    String(version),
    roleOf(slots, version),
    lifecycleId,
    quarantined?.split('; seen: ')[0] ?? '', // what the guards saw is long, and in `show <model>/<version>`
  ]);
  return [
    slots?.champion ? `${model} serves version ${slots.champion.version}` : `${model} serves no version yet`,
    `  served by    ${summary}`,
    `  waits for    ${waitsFor}`,
    `  lifecycles   ${lifecycles} so far`,
    `  alerts       ${openText(alerts)}${alerts.length > 0 ? `; \`esteira alerts ${model}\` lists them` : ''}`,
    ...(inFlight ? [`  in flight    ${inFlight.lifecycleId}: ${inFlight.trigger.reason}`] : []),
    ...(pending ? [`  next         ${pending.trigger.reason}`] : []),
    ...(slots ? [`  last change  ${moment(slots.at)} by ${slots.by}: ${slots.reason}`] : []),
    ...details,
    '',
    rows.length > 0
      ? table(['version', 'role', 'made by', 'barred because'], rows)
      : 'No version has been registered.',
  ].join('\n');
}

function roleOf(slots: Slots | null, version: number): string {
  const roles = slotNames.filter((name) => slots?.[name]?.version === version);
  const { challenger } = slots ?? {};
  if (challenger?.version !== version) return roles.join(', ');
  const { share, shadow } = challenger;
  const part = shadow ? `shadow of ${Math.round(shadow * 100)} %` : `${Math.round(share * 100)} %`;
  return `${roles.join(', ')} (${part})`;
}

/** A card opens with YAML for catalogues; people read on. */
function withoutFrontMatter(card: string): string {
  return card.replace(/^---\n[\s\S]*?\n---\n/, '');
}

function moment(instant: string): string {
  return instant.slice(0, 16).replace('T', ' ');
}
