/** Alerts from the store, which has them also when Temporal is away; what people say to them goes to the model's book. */
import { AlertRecord, Book } from '../contracts/alerts.ts';
import type { AlertAnswer, AlertDelivery, BookAlert } from '../contracts/alerts.ts';
import { alertsWorkflowId } from '../contracts/search.ts';
import { readJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { askAgain, describe } from '../infra/temporal.ts';
import { acknowledgeUpdate, closeUpdate, snoozeUpdate } from '../workflows/messages.ts';
import { NotFound, unlessNotFound } from './errors.ts';
import type { Esteira } from './index.ts';

export interface AlertRow extends BookAlert {
  model: string;
  owner: string;
}

/** A message that nobody has taken: it is still tried, or was given up. */
export interface Undelivered extends AlertDelivery {
  model: string;
  /** Numbers of those that it is about. */
  alerts: number[];
}

export interface AlertList {
  alerts: AlertRow[];
  /** About these, and about those that were closed lately. */
  undelivered: Undelivered[];
  /** Findings of last ticks that found no room in their books. */
  untold: number;
}

/** @param all also those that are closed; else the open ones. Worst first within a model, then oldest. */
export async function alertList(store: Store, model?: string, all = false): Promise<AlertList> {
  const list: AlertList = { alerts: [], undelivered: [], untold: 0 };
  for await (const { key } of store.list(model === undefined ? 'alerts/' : `alerts/${model}/`)) {
    if (!key.endsWith('/book.json')) continue;
    const book = (await readJson(store, key, Book))?.value;
    if (!book) continue;
    const records = await (all ? everyRecord(store, book.model) : recordsOf(store, book));
    list.untold += book.untold;
    list.alerts.push(...(all ? records : openOf(book)).map(rowOf(book)));
    list.undelivered.push(...undeliveredOf(records));
  }
  const order = ['critical', 'warning', 'info'];
  list.alerts.sort(
    (a, b) =>
      a.model.localeCompare(b.model) ||
      Number(a.state === 'closed') - Number(b.state === 'closed') ||
      order.indexOf(a.severity) - order.indexOf(b.severity) ||
      a.since.localeCompare(b.since),
  );
  return list;
}

/** How the last try of each that is still tried went: Temporal knows it. What it cannot tell stays as it is. */
export async function withLastTries({ client }: Esteira, list: AlertList): Promise<AlertList> {
  const undelivered = await Promise.all(
    list.undelivered.map(async (one, i) => {
      if (one.state !== 'pending' || i >= describedAtMost) return one;
      const trying = (await describe(client, one.id))?.raw.pendingActivities?.[0];
      const why = trying?.lastFailure?.message;
      return why ? { ...one, detail: `try ${trying.attempt}: ${why}` } : one;
    }),
  );
  return { ...list, undelivered };
}

/** One question to Temporal each. */
const describedAtMost = 20;

/** Without what became of messages, so in one read. Empty for a model that no tick has looked at. */
export async function openAlerts(store: Store, model: string): Promise<BookAlert[]> {
  const found = await readJson(store, `alerts/${model}/book.json`, Book);
  return found ? openOf(found.value) : [];
}

export const openOf = ({ alerts }: Book): BookAlert[] =>
  alerts.filter(({ state }) => state !== 'closed').map(awake);

const rowOf =
  ({ model, settings }: Book) =>
  (alert: BookAlert): AlertRow => ({ owner: settings?.owner ?? 'nobody', ...alert, model });

/** Of those in the book: open, or closed lately. */
async function recordsOf(store: Store, { model, alerts }: Book): Promise<AlertRecord[]> {
  const records = await Promise.all(alerts.map(({ id }) => recordOf(store, model, id)));
  return records.filter((record) => record !== undefined);
}

async function everyRecord(store: Store, model: string): Promise<AlertRecord[]> {
  const records: AlertRecord[] = [];
  for await (const { key } of store.list(`alerts/${model}/`)) {
    if (key.endsWith('/book.json')) continue;
    const record = (await readJson(store, key, AlertRecord))?.value;
    if (record) records.push(awake(record));
  }
  return records;
}

/** Each message once, though every alert that it is about has it on record. */
export function undeliveredOf(records: AlertRecord[]): Undelivered[] {
  const found = new Map<string, Undelivered>();
  for (const { id, model, deliveries } of records) {
    for (const one of deliveries.filter(({ state }) => state !== 'delivered')) {
      const alerts = [...(found.get(one.id)?.alerts ?? []), id];
      found.set(one.id, { ...one, model, alerts });
    }
  }
  return [...found.values()];
}

async function recordOf(store: Store, model: string, id: number): Promise<AlertRecord | undefined> {
  return (await readJson(store, `alerts/${model}/${id}.json`, AlertRecord))?.value;
}

/** @param name a number, or a key: then the one that is open, else the last. @throws {NotFound} */
export async function alertNamed(store: Store, model: string, name: number | string): Promise<AlertRecord> {
  const found =
    typeof name === 'number' ? await recordOf(store, model, name) : await byKey(store, model, name);
  if (found) return awake(found);
  const where = `\`esteira alerts ${model} --all\` lists those there were`;
  throw new NotFound(`${model} never had an alert ${name}; ${where}`);
}

async function byKey(store: Store, model: string, name: string): Promise<AlertRecord | undefined> {
  const records = await everyRecord(store, model);
  const named = records.filter(({ key }) => key === name).toSorted((a, b) => b.id - a.id);
  return named.find(({ state }) => state !== 'closed') ?? named[0];
}

export interface AlertOrder {
  model: string;
  alert: number | string;
  by: string;
  reason: string;
}

/** @throws {NotFound} when no tick has looked at that model yet */
export function changeAlert(
  esteira: Esteira,
  verb: 'acknowledge' | 'snooze' | 'close',
  { model, ...order }: AlertOrder & { until?: string },
): Promise<AlertAnswer> {
  const handle = esteira.client.workflow.getHandle(alertsWorkflowId(model));
  const ask = (): Promise<AlertAnswer> => {
    if (verb === 'snooze')
      return handle.executeUpdate(snoozeUpdate, { args: [{ ...order, until: order.until! }] });
    return handle.executeUpdate(verb === 'close' ? closeUpdate : acknowledgeUpdate, { args: [order] });
  };
  return askAgain(ask).catch(
    unlessNotFound(`${model} has no book of alerts; it is begun by the first look of its monitor`),
  );
}

/** A snooze that is over counts from the next tick on; people see it at once. */
function awake<T extends BookAlert>(alert: T): T {
  const { state, snoozedUntil } = alert;
  const isOver = state === 'snoozed' && snoozedUntil !== null && Date.parse(snoozedUntil) <= Date.now();
  return isOver ? { ...alert, state: 'open' } : alert;
}
