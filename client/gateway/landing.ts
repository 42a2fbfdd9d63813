/**
 * Rows that sensors and applications push: immutable Parquet in `landing/<source>/<day>/…`, where a project finds them by
 * `path: landing:<source>`. Under an `Idempotency-Key` a push counts once, whichever gateway takes it.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { Instant, Sha256 } from '../../contracts/artifact.ts';
import { sha256 } from '../../infra/digest.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { Refusal } from '../../infra/refusal.ts';
import { createJson, readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { isOver, MergedDay, mergedKey } from './landing-days.ts';
import { fitted, LandingSchema, schemaOf, sqlTypes } from './landing-schema.ts';
import type { Packing } from './packing.ts';
import type { Rows } from './rows.ts';
import { rowsIn } from './rows.ts';
import { LandingName } from './settings.ts';
import type { Settings } from './settings.ts';

/** `landed/<source>/keys/<digest of the key>.json`: what was pushed under it, and where it lies. */
const Push = z.object({ digest: Sha256, file: z.string(), rows: z.int(), at: Instant });
type Push = z.infer<typeof Push>;

interface Claimed {
  push: Push;
  known: boolean;
  /** Its rows are in the store already. */
  written?: boolean;
}

export interface LandingDeps {
  store: Store;
  packing: Packing;
  declared: Settings['landing'];
}

export interface Landed {
  status: 'accepted' | 'duplicate';
  rows: number;
  file: string;
}

export class Landing {
  readonly #deps: LandingDeps;
  readonly #schemas = new Map<string, LandingSchema>();

  constructor(deps: LandingDeps) {
    this.#deps = deps;
  }

  /** Resolves when the rows are in the store. @throws Refusal 400, 409, 413, 415 */
  async accept(source: string, headers: IncomingHttpHeaders, body: Buffer): Promise<Landed> {
    const { success } = LandingName.safeParse(source);
    if (!success)
      throw new Refusal(
        400,
        `the source is "${source.slice(0, 80)}"; it must be lower-case letters, digits, - and _`,
      );
    const rows = rowsIn(headers, body, 'rows');
    const schema = await this.#schemaOf(source, rows);
    const values = fitted(rows, schema);
    const { push, known, written } = await this.#claim(source, headers, body, values.length);
    if (written) return { status: 'duplicate', rows: push.rows, file: push.file };
    await failpoint('gateway:landing');
    const { store, packing } = this.#deps;
    const columns = schema.columns.map(({ name, type }) => ({ name, type: sqlTypes[type] }));
    await packing.pack(columns, values, (path) =>
      store.createFromFile(push.file, path, 'application/vnd.apache.parquet'),
    );
    await failpoint('gateway:landed');
    return { status: known ? 'duplicate' : 'accepted', rows: push.rows, file: push.file };
  }

  async #claim(source: string, headers: IncomingHttpHeaders, body: Buffer, rows: number): Promise<Claimed> {
    const at = new Date().toISOString();
    const { 'idempotency-key': key = randomUUID() } = headers;
    if (typeof key !== 'string' || key.length > 200)
      throw new Refusal(400, 'Idempotency-Key must be one text of at most 200 characters');
    const name = sha256(key);
    const file = `landing/${source}/${at.slice(0, 10)}/${name.slice(0, 32)}.parquet`;
    const push = { digest: sha256(body), file, rows, at };
    if (headers['idempotency-key'] === undefined) return { push, known: false };
    const place = `landed/${source}/keys/${name}.json`;
    if (await createJson(this.#deps.store, place, push)) return { push, known: false };
    const { value: before, etag } = (await readJson(this.#deps.store, place, Push))!;
    if (before.digest === push.digest) return this.#again(source, place, before, push, etag);
    throw new Refusal(409, `the Idempotency-Key "${key}" was used for another body`);
  }

  /**
   * A push that was claimed and never written, and whose day is over, lands today: days that are over become one file. Of
   * one that is in such a file nothing is left to do.
   */
  async #again(source: string, place: string, before: Push, push: Push, etag: string): Promise<Claimed> {
    const { store } = this.#deps;
    if (!isOver(before.at.slice(0, 10), push.at)) return { push: before, known: true };
    const days = await readJson(store, mergedKey(source, before.at.slice(0, 10)), MergedDay);
    if (days?.value.files.includes(before.file)) return { push: before, known: true, written: true };
    for await (const { key } of store.list(before.file))
      if (key === before.file) return { push: before, known: true, written: true };
    if ((await swapJson(store, place, push, etag)) !== undefined) return { push, known: true };
    throw new Refusal(503, 'the same push is on its way by another gateway', 1);
  }

  /** The first push makes it, unless the settings declare it. */
  async #schemaOf(source: string, rows: Rows): Promise<LandingSchema> {
    const known = this.#schemas.get(source);
    if (known) return known;
    const key = `landed/${source}/schema.json`;
    const declared = this.#deps.declared[source];
    if (!(await this.#deps.store.read(key))) {
      const columns = declared && Object.entries(declared.columns).map(([name, type]) => ({ name, type }));
      const first = columns ? { columns } : schemaOf(rows);
      fitted(rows, first); // what is refused must not leave a schema behind
      await createJson(this.#deps.store, key, first); // another gateway's may be there by now
    }
    const schema = (await readJson(this.#deps.store, key, LandingSchema))!.value;
    this.#schemas.set(source, schema);
    return schema;
  }
}
