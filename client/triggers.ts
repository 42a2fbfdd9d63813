/** `esteira triggers`: the ledger of what asked for a lifecycle, and what became of it. */
import type { LedgerEntry } from '../contracts/model.ts';
import { LedgerEntry as Entry } from '../contracts/model.ts';
import { readJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { NotFound } from './errors.ts';
import { counted, table } from './output.ts';

const atOnce = 32;

/** Newest first, by when it was answered. */
export async function triggersOf(store: Store, model: string): Promise<LedgerEntry[]> {
  const keys: { key: string; modifiedAt: Date }[] = [];
  for await (const { key, modifiedAt } of store.list(`events/${model}/`)) keys.push({ key, modifiedAt });
  const entries: LedgerEntry[] = [];
  for (let at = 0; at < keys.length; at += atOnce) {
    const some = await Promise.all(
      keys.slice(at, at + atOnce).map(async ({ key, modifiedAt }) => {
        const entry = (await readJson(store, key, Entry))?.value;
        return entry && { at: modifiedAt.toISOString(), ...entry };
      }),
    );
    entries.push(...some.filter((entry) => entry !== undefined));
  }
  return entries.toSorted((a, b) => (a.at! < b.at! ? 1 : -1));
}

/** @param id the whole of it, or how it begins. @throws NotFound */
export function triggerNamed(entries: readonly LedgerEntry[], model: string, id: string): LedgerEntry {
  const exact = entries.find(({ trigger }) => trigger.id === id);
  const alike = entries.filter(({ trigger }) => trigger.id.startsWith(id));
  if (exact) return exact;
  if (alike.length === 1) return alike[0]!;
  const why = alike.length === 0 ? 'has no trigger' : `has ${alike.length} triggers that begin with`;
  throw new NotFound(`${model} ${why} ${id}; \`esteira triggers ${model}\` lists them`);
}

export function triggersText(entries: readonly LedgerEntry[], model: string, shown: number): string {
  if (entries.length === 0) return `Nothing has asked for a lifecycle of ${model} yet.`;
  const rows = entries
    .slice(0, shown)
    .map(({ trigger, disposition, at }) => [
      at!.slice(0, 19).replace('T', ' '),
      trigger.kind,
      disposition.status,
      became(disposition),
      shortened(trigger.reason, 60),
      trigger.id,
    ]);
  const more = entries.length - shown;
  return [
    table(['answered', 'kind', 'answer', '', 'because of', 'id'], rows),
    ...(more > 0 ? [`and ${counted(more, 'older one')}; --all shows them`] : []),
  ].join('\n');
}

/** One trigger, in sentences. */
export function whyText({ trigger, disposition, at }: LedgerEntry): string {
  return [
    `${trigger.id}, ${trigger.kind} by ${trigger.by}: ${trigger.reason}`,
    `It asks for data up to ${trigger.at}${trigger.since ? `; the world is another one since ${trigger.since}` : ''}.`,
    `${sentence(disposition)}${at ? ` Answered at ${at}.` : ''}`,
  ].join('\n');
}

type Disposition = LedgerEntry['disposition'];

function became(disposition: Disposition): string {
  switch (disposition.status) {
    case 'started':
      return disposition.lifecycleId;
    case 'merged':
      return `behind ${disposition.behind}`;
    case 'waiting':
      return `until ${disposition.until}`;
    case 'ignored':
      return shortened(disposition.why, 60);
    default:
      return '';
  }
}

function sentence(disposition: Disposition): string {
  switch (disposition.status) {
    case 'started':
      return `It started ${disposition.lifecycleId}.`;
    case 'merged':
      return `${disposition.behind} was running: the lifecycle after it carries this trigger, with all others that came meanwhile.`;
    case 'waiting':
      return `It waits until ${disposition.until} (${disposition.why}); the next lifecycle carries it.`;
    case 'suggested':
      return `It started nothing: ${disposition.why}. \`esteira run\` does.`;
    case 'duplicate':
      return 'It had come before, and was answered then.';
    case 'ignored':
      return `It started nothing: ${disposition.why}.`;
  }
}

const shortened = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;
