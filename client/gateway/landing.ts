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
import { createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { fitted, LandingSchema, schemaOf, sqlTypes } from './landing-schema.ts';
import type { Packing } from './packing.ts';
import type { Rows } from './rows.ts';
import { rowsIn } from './rows.ts';
import { LandingName } from './settings.ts';
import type { Settings } from './settings.ts';

/** `landed/<source>/keys/<digest of the key>.json`: what was pushed under it, and where it lies. */
const Push = z.object({ digest: Sha256, file: z.string(), rows: z.int(), at: Instant });

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
    const { push, known } = await this.#claim(source, headers, body, values.length);
    await failpoint('gateway:landing');
    const { store, packing } = this.#deps;
    const columns = schema.columns.map(({ name, type }) => ({ name, type: sqlTypes[type] }));
    await packing.pack(columns, values, (path) =>
      store.createFromFile(push.file, path, 'application/vnd.apache.parquet'),
    );
    await failpoint('gateway:landed');
    return { status: known ? 'duplicate' : 'accepted', rows: push.rows, file: push.file };
  }

  async #claim(source: string, headers: IncomingHttpHeaders, body: Buffer, rows: number) {
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
    const before = (await readJson(this.#deps.store, place, Push))!.value;
    if (before.digest === push.digest) return { push: before, known: true };
    throw new Refusal(409, `the Idempotency-Key "${key}" was used for another body`);
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
