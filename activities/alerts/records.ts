/**
 * `alerts/<model>/…` in the store: the book as it is, and each alert with its story. Two write: the book's workflow one
 * turn after the other, and deliveries when they end. What is read is compared before it is replaced; whoever was too
 * slow tries again, and finds what it has written already.
 */
import { AlertRecord, Book, BookAlert } from '../../contracts/alerts.ts';
import type { AlertDelivery, AlertEntry, BookWriting, Delivery } from '../../contracts/alerts.ts';
import { ModelName } from '../../contracts/artifact.ts';
import { parse } from '../../contracts/failures.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { canonicalJson, readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

const bookKey = (model: string) => `alerts/${parse(ModelName, model)}/book.json`;
const alertKey = (model: string, id: number) => `alerts/${parse(ModelName, model)}/${id}.json`;

/** Of a story that is longer, the beginning and the end are kept. */
const linesAtMost = 200;
const beginning = 20;

/** Whether nothing is open, so that a tick without alerts is no news; most are. */
export async function isQuiet(store: Store, model: string): Promise<boolean> {
  const book = await readBook(store, model);
  return !book?.alerts.some(({ state }) => state !== 'closed');
}

export async function readBook(store: Store, model: string): Promise<Book | null> {
  return (await readJson(store, bookKey(model), Book))?.value ?? null;
}

/** What was written: lines that were not there before, by alert; or the book that is ahead, and nothing was. */
export type Written = { lines: { alert: BookAlert; entries: AlertEntry[] }[] } | { ahead: Book };

export async function writeBook(store: Store, { book, alerts }: BookWriting): Promise<Written> {
  // First: whoever begins anew from it must not give a number again.
  let ahead: Book | undefined;
  await change(store, bookKey(book.model), Book, (old) => {
    const isBehind = old !== undefined && old.revision >= book.revision;
    if (isBehind && canonicalJson(old) !== canonicalJson(book)) ahead = old;
    return isBehind ? old : book;
  });
  if (ahead) return { ahead };
  await failpoint('alerts:book');
  const written: { alert: BookAlert; entries: AlertEntry[] }[] = [];
  for (const { id, entries, deliveries } of alerts) {
    const alert = book.alerts.find((one) => one.id === id);
    if (!alert) continue; // closed so long ago that its book has let it go within this turn
    let before: AlertEntry[] = [];
    await change(store, alertKey(book.model, id), AlertRecord, (old) => {
      before = old?.history ?? [];
      return recordOf(book, alert, old, { entries, deliveries });
    });
    written.push({ alert, entries: entries.filter(({ n }) => !before.some((one) => one.n === n)) });
  }
  return { lines: written };
}

/** Every alert that a delivery is about, with how the delivery ended. */
export async function settleDelivery(
  store: Store,
  { id, model, sink, changes }: Delivery,
  { state, detail }: Pick<AlertDelivery, 'state' | 'detail'>,
): Promise<void> {
  const at = new Date().toISOString();
  for (const { alert, change: what } of changes) {
    if (what === 'updated') continue;
    await change(store, alertKey(model, alert.id), AlertRecord, (old) => {
      if (!old) throw new Error(`alert ${alert.id} of ${model} is not on record yet`);
      const line = { ...{ id, sink: sink.name, change: what, state, at, detail } };
      const others = old.deliveries.filter((one) => one.id !== id);
      const known = old.deliveries.find((one) => one.id === id);
      if (known?.state === state) return old;
      return { ...old, deliveries: shortened([...others, line]) };
    });
  }
}

/** Messages that are not taken yet, as far as records tell of them: how things stood when, they do not. */
export async function pendingDeliveries(store: Store, model: string): Promise<Delivery[]> {
  const book = await readBook(store, model);
  const found = new Map<string, Delivery>();
  for (const { id: alertId } of book?.alerts ?? []) {
    const record = (await readJson(store, alertKey(model, alertId), AlertRecord))?.value;
    for (const { id, sink: name, at, change: what, state } of record?.deliveries ?? []) {
      const sink = book?.settings?.sinks.find((one) => one.name === name);
      if (state !== 'pending' || !sink || !record) continue;
      const changes = [...(found.get(id)?.changes ?? []), { change: what, alert: BookAlert.parse(record) }];
      found.set(id, { ...{ id, model, owner: record.owner, sink, at }, window: null, changes });
    }
  }
  return [...found.values()];
}

/** A turn that comes late adds its lines, and leaves what is newer. */
function recordOf(
  book: Book,
  alert: BookAlert,
  old: AlertRecord | undefined,
  { entries, deliveries }: { entries: AlertEntry[]; deliveries: AlertDelivery[] },
): AlertRecord {
  const { model, revision, settings } = book;
  const isLate = old !== undefined && old.revision > revision;
  const now = isLate ? old : { ...alert, model, revision, owner: settings?.owner ?? 'nobody' };
  const history = new Map([...(old?.history ?? []), ...entries].map((one) => [one.n, one]));
  const sent = new Map([...deliveries, ...(old?.deliveries ?? [])].map((one) => [one.id, one]));
  return {
    ...now,
    history: shortened([...history.values()].toSorted((a, b) => a.n - b.n)),
    deliveries: shortened([...sent.values()]),
  };
}

/** @throws a plain Error when somebody else wrote meanwhile, so that it is tried again */
async function change<S extends typeof Book | typeof AlertRecord>(
  store: Store,
  key: string,
  schema: S,
  make: (old: ReturnType<S['parse']> | undefined) => ReturnType<S['parse']>,
): Promise<void> {
  const found = await readJson(store, key, schema);
  const old = found?.value as ReturnType<S['parse']> | undefined;
  const made = make(old);
  if (old !== undefined && canonicalJson(old) === canonicalJson(made)) return;
  const etag = await swapJson(store, key, made, found?.etag);
  if (etag === undefined) throw new Error(`${key} was written by somebody else meanwhile`);
}

function shortened<T>(lines: T[]): T[] {
  if (lines.length <= linesAtMost) return lines;
  return [...lines.slice(0, beginning), ...lines.slice(beginning - linesAtMost)];
}
