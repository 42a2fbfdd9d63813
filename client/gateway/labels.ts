/**
 * Labels, durably where serving's own lie: `labels/<model>/<day>/…`. Those that come while some are written share the next
 * file. A label that is sent again is one label: whoever reads takes the last of an id.
 */
import { z } from 'zod';
import type { IncomingHttpHeaders } from 'node:http';
import { Label, Slots } from '../../contracts/serving.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { Refusal } from '../../infra/refusal.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { Packing, Value } from './packing.ts';
import { rowsIn } from './rows.ts';

const columns = [
  { name: 'id', type: 'VARCHAR' },
  { name: 'label', type: 'VARCHAR' },
  { name: 'time', type: 'TIMESTAMP' },
] as const;

/** A number may come as a text, as CSV has it. */
const Sent = Label.extend({
  id: z.union([z.string(), z.number()]).transform(String).pipe(Label.shape.id),
  label: z.union([z.number(), z.string().max(1_000), z.boolean()]),
  time: z.iso.datetime({ offset: true }).nullish(),
});
const faultsAtMost = 10;

export interface LabelsDeps {
  store: Store;
  packing: Packing;
  /** Of this process: names its files. */
  by: string;
}

interface Group {
  rows: Value[][];
  done: Promise<void>;
}

export class Labels {
  readonly #deps: LabelsDeps;
  readonly #groups = new Map<string, Group>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #known = new Set<string>();
  #files = 0;

  constructor(deps: LabelsDeps) {
    this.#deps = deps;
  }

  /** Resolves when they are in the store. @returns how many. @throws Refusal 400, 404, 413, 415 */
  async accept(model: string, headers: IncomingHttpHeaders, body: Buffer): Promise<number> {
    const now = new Date().toISOString();
    const rows = labelsIn(headers, body).map(({ id, label, time }): Value[] => [
      id,
      String(label),
      time ? new Date(time).toISOString() : now,
    ]);
    await this.#mustServe(model);
    await this.#append(model, rows);
    return rows.length;
  }

  async #mustServe(model: string): Promise<void> {
    if (this.#known.has(model)) return;
    const slots = await readJson(this.#deps.store, `models/${model}/current.json`, Slots);
    if (!slots) throw new Refusal(404, `no model "${model}" serves here; labels are of predictions`);
    this.#known.add(model);
  }

  #append(model: string, rows: readonly Value[][]): Promise<void> {
    let group = this.#groups.get(model);
    if (!group) {
      const before = this.#turns.get(model) ?? Promise.resolve();
      const done = before.then(() => this.#write(model));
      this.#turns.set(
        model,
        done.catch(() => undefined),
      );
      this.#groups.set(model, (group = { rows: [], done }));
    }
    for (const row of rows) group.rows.push(row);
    return group.done;
  }

  async #write(model: string): Promise<void> {
    const { rows } = this.#groups.get(model)!;
    this.#groups.delete(model);
    const days = new Map<string, Value[][]>();
    for (const row of rows) {
      const day = String(row[2]).slice(0, 10);
      const others = days.get(day);
      if (others) others.push(row);
      else days.set(day, [row]);
    }
    const { store, packing, by } = this.#deps;
    for (const [day, some] of days) {
      const key = `labels/${model}/${day}/${by}-${String(++this.#files).padStart(6, '0')}.parquet`;
      await packing.pack(columns, some, (path) =>
        store.createFromFile(key, path, 'application/vnd.apache.parquet'),
      );
    }
    await failpoint('gateway:labelled');
  }
}

function labelsIn(headers: IncomingHttpHeaders, body: Buffer): z.infer<typeof Sent>[] {
  const { rows } = rowsIn(headers, body, 'labels');
  const faults: string[] = [];
  const labels = rows.flatMap(({ where, values }) => {
    const { success, data, error } = Sent.safeParse(values);
    if (success) return [data];
    const [issue] = error.issues;
    faults.push(`${where}: ${issue!.path.join('.')}: ${issue!.message}`);
    return [];
  });
  if (faults.length === 0) return labels;
  const more = faults.length > faultsAtMost ? `; and ${faults.length - faultsAtMost} more` : '';
  throw new Refusal(400, `${faults.slice(0, faultsAtMost).join('; ')}${more}; none was taken`);
}
