/**
 * How all models stand, from the store alone, and cheap enough for every minute: of a model three small objects are read,
 * its window's record when there is a new one, and its alerts' records when something was said of them.
 *
 * What cannot be read stays as it was, and is counted: one broken object must not hide 500 models.
 */
import { AlertRecord, Book } from '../../contracts/alerts.ts';
import type { BookAlert } from '../../contracts/alerts.ts';
import { LedgerEntry } from '../../contracts/model.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import type { Quality } from '../../contracts/monitor.ts';
import { Slots } from '../../contracts/serving.ts';
import { Standing, standingKey } from '../../contracts/standing.ts';
import { findKeys } from '../../infra/store/find.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { openOf, undeliveredOf } from '../alerts.ts';

export interface ModelStanding {
  model: string;
  slots?: Slots | undefined;
  /** The newest window. */
  seen?: SeenWindow | undefined;
  lifecycle?: Standing['lifecycle'];
  open: BookAlert[];
  /** Messages: still tried, and given up. */
  undelivered: { pending: number; failed: number };
  /** Of the last 24 hours. */
  triggers: LedgerEntry[];
}

/** Of a record what is told: those of 500 wide models would fill the memory. */
export interface SeenWindow extends Pick<
  TickRecord,
  'window' | 'rows' | 'service' | 'forecasts' | 'estimate'
> {
  compared: number;
  drifted: number;
  worstPsi: number | undefined;
  /** The first of the record, which are those that matter most. */
  columns: TickRecord['drift'];
  quality: Pick<Quality, 'window' | 'coverage' | 'metrics' | 'reference' | 'intervals'> | null;
}

/** Of a model. */
export const columnsAtMost = 50;

function seenOf({ window, rows, service, forecasts, estimate, drift, quality }: TickRecord): SeenWindow {
  const known = drift.flatMap(({ psi }) => psi ?? []);
  return {
    ...{ window, rows, service, forecasts, estimate },
    compared: drift.length,
    drifted: drift.filter((column) => column.drifted).length,
    worstPsi: known.length > 0 ? Math.max(...known) : undefined,
    columns: drift.slice(0, columnsAtMost),
    quality: quality && {
      ...{ window: quality.window, coverage: quality.coverage },
      ...{ metrics: quality.metrics, reference: quality.reference, intervals: quality.intervals },
    },
  };
}

interface Known extends ModelStanding {
  tickName?: string | undefined;
  bookTag?: string | undefined;
  /** By key; null for what is no entry of the ledger. */
  ledger: Map<string, LedgerEntry | null>;
}

/** Between looks for new models, and through the ledger: both are listings. */
const listEveryMs = 5 * 60_000;
const dayMs = 86_400_000;
const atOnce = 16;

export class Standings {
  faults = 0;
  readonly #store: Store;
  readonly #onFault: (error: unknown) => void;
  readonly #known = new Map<string, Known>();
  #listedAt = -Infinity;

  constructor(store: Store, onFault: (error: unknown) => void) {
    this.#store = store;
    this.#onFault = onFault;
  }

  /** By model, in order of their names. */
  get all(): ModelStanding[] {
    return [...this.#known.values()].toSorted((a, b) => (a.model < b.model ? -1 : 1));
  }

  async refresh(now: number): Promise<void> {
    const lists = now - this.#listedAt >= listEveryMs;
    const listed = lists && (await this.#safely(() => this.#discover()));
    const waiting = [...this.#known.values()];
    const work = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop()) await this.#read(next, now, lists);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    if (listed) this.#listedAt = now;
  }

  async #discover(): Promise<void> {
    const found = [
      ...(await findKeys(this.#store, 'models/*', ['current.json', 'standing.json'])),
      ...(await findKeys(this.#store, 'alerts/*', ['book.json'])),
    ];
    const models = new Set(found.map(({ key }) => key.split('/')[1]!));
    for (const model of this.#known.keys()) if (!models.has(model)) this.#known.delete(model);
    for (const model of models) {
      if (this.#known.has(model)) continue;
      const nothing = { open: [], undelivered: { pending: 0, failed: 0 }, triggers: [], ledger: new Map() };
      this.#known.set(model, { model, ...nothing });
    }
  }

  async #read(known: Known, now: number, lists: boolean): Promise<void> {
    const parts = [
      () => this.#readSlots(known),
      () => this.#readTick(known),
      () => this.#readBook(known),
      ...(lists ? [() => this.#readLedger(known, now)] : []),
    ];
    for (const part of parts) await this.#safely(part);
  }

  /** @returns whether it could be read */
  async #safely(act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.faults++;
      this.#onFault(error);
      return false;
    }
  }

  async #readSlots(known: Known): Promise<void> {
    known.slots = (await readJson(this.#store, `models/${known.model}/current.json`, Slots))?.value;
  }

  async #readTick(known: Known): Promise<void> {
    const standing = (await readJson(this.#store, standingKey(known.model), Standing))?.value;
    known.lifecycle = standing?.lifecycle ?? null;
    const name =
      standing?.tick?.name ?? (known.tickName === undefined ? await this.#lastOf(known) : undefined);
    if (name === undefined || name === known.tickName) return;
    const record = await readJson(this.#store, `monitor/${known.model}/${name}.json`, TickRecord);
    known.seen = record && seenOf(record.value);
    known.tickName = name;
  }

  /** Of a model whose ticks were all made before 0.5.0. Names are in the order of time. */
  async #lastOf({ model }: Known): Promise<string | undefined> {
    let last: string | undefined;
    for await (const { key } of this.#store.list(`monitor/${model}/`)) last = key;
    return last?.slice(`monitor/${model}/`.length, -'.json'.length);
  }

  async #readBook(known: Known): Promise<void> {
    const { model, bookTag, undelivered } = known;
    const found = await readJson(this.#store, `alerts/${model}/book.json`, Book);
    if (!found) return;
    known.open = openOf(found.value);
    if (found.etag === bookTag && undelivered.pending + undelivered.failed === 0) return;
    const records: AlertRecord[] = [];
    for (const { id } of found.value.alerts) {
      const record = (await readJson(this.#store, `alerts/${model}/${id}.json`, AlertRecord))?.value;
      if (record) records.push(record);
    }
    const messages = undeliveredOf(records);
    const failed = messages.filter(({ state }) => state === 'failed').length;
    known.undelivered = { pending: messages.length - failed, failed };
    known.bookTag = found.etag;
  }

  async #readLedger(known: Known, now: number): Promise<void> {
    const { model, ledger } = known;
    const recent = new Map<string, LedgerEntry | null>();
    for await (const { key, modifiedAt } of this.#store.list(`events/${model}/`)) {
      if (modifiedAt.getTime() < now - dayMs) continue;
      recent.set(key, ledger.get(key) ?? (await this.#entryAt(key)));
    }
    known.ledger = recent;
    known.triggers = [...recent.values()].filter((entry) => entry !== null);
  }

  async #entryAt(key: string): Promise<LedgerEntry | null> {
    const found = await this.#store.read(key);
    const parsed = found && LedgerEntry.safeParse(JSON.parse(new TextDecoder().decode(found.bytes)));
    return parsed?.data ?? null;
  }
}
