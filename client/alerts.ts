/** Alerts from the store, which has them also when Temporal is away; what people say to them goes to the model's book. */
import { AlertRecord, Book } from '../contracts/alerts.ts';
import type { AlertAnswer, AlertDelivery, BookAlert } from '../contracts/alerts.ts';
import { alertsWorkflowId } from '../contracts/search.ts';
import { readJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { askAgain } from '../infra/temporal.ts';
import { acknowledgeUpdate, closeUpdate, snoozeUpdate } from '../workflows/messages.ts';
import { NotFound, unlessNotFound } from './errors.ts';
import type { Esteira } from './index.ts';

export interface AlertRow extends BookAlert {
  model: string;
  owner: string;
  /** Messages that nobody has taken: they are still tried, or were given up. */
  undelivered: AlertDelivery[];
}

export interface AlertList {
  alerts: AlertRow[];
  /** Findings of last ticks that found no room in their books. */
  untold: number;
}

/** @param all also those that are closed; else the open ones. Worst first within a model, then oldest. */
export async function alertList(store: Store, model?: string, all = false): Promise<AlertList> {
  const list: AlertList = { alerts: [], untold: 0 };
  for await (const { key } of store.list(model === undefined ? 'alerts/' : `alerts/${model}/`)) {
    if (!key.endsWith('/book.json')) continue;
    const found = await readJson(store, key, Book);
    if (!found) continue;
    list.untold += found.value.untold;
    list.alerts.push(...(all ? await recordsOf(store, found.value.model) : await openOf(store, found.value)));
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

/** Without what became of messages, so in one read. Empty for a model that no tick has looked at. */
export async function openAlerts(store: Store, model: string): Promise<BookAlert[]> {
  const found = await readJson(store, `alerts/${model}/book.json`, Book);
  return (found?.value.alerts ?? []).filter(({ state }) => state !== 'closed').map(awake);
}

async function openOf(store: Store, book: Book): Promise<AlertRow[]> {
  const owner = book.settings?.owner ?? 'nobody';
  const open = book.alerts.filter(({ state }) => state !== 'closed');
  const records = await Promise.all(open.map(({ id }) => recordOf(store, book.model, id)));
  return open.map((alert, i) => ({
    ...awake(alert),
    ...{ model: book.model, owner },
    undelivered: lost(records[i]?.deliveries ?? []),
  }));
}

async function recordsOf(store: Store, model: string): Promise<AlertRow[]> {
  const rows: AlertRow[] = [];
  for await (const { key } of store.list(`alerts/${model}/`)) {
    if (key.endsWith('/book.json')) continue;
    const record = (await readJson(store, key, AlertRecord))?.value;
    if (record) rows.push({ ...awake(record), undelivered: lost(record.deliveries) });
  }
  return rows;
}

const lost = (deliveries: AlertDelivery[]) => deliveries.filter(({ state }) => state !== 'delivered');

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
  const { alerts } = await alertList(store, model, true);
  const named = alerts.filter(({ key }) => key === name).toSorted((a, b) => b.id - a.id);
  const alert = named.find(({ state }) => state !== 'closed') ?? named[0];
  return alert && recordOf(store, model, alert.id);
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
