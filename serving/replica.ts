/**
 * One replica: the models it serves, the journals their rows go to, and the watch over what the store says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelName } from '../contracts/artifact.ts';
import { Slots } from '../contracts/serving.ts';
import { unlessCode } from '../infra/errno.ts';
import type { Logger } from '../infra/log.ts';
import { readJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import type { Append, Catalogue } from './catalogue.ts';
import { Journal } from './journal.ts';
import type { Stream } from './journal.ts';
import type { LoadedVersion, LoadSettings } from './loaded-version.ts';
import { ModelHost } from './model-host.ts';
import { Note, sweepNotes } from './note.ts';
import { Refusal } from '../infra/refusal.ts';
import { pointOf } from './routing.ts';
import type { Shipper } from './shipper.ts';

const pollMs = 500;
/** Looking for models nobody named means listing: less often. */
const discoverMs = 2_000;
const reportMs = 1_000;
const measureMs = 200;
/** A load that hangs must not keep what was answered from the store. */
const watchEndMs = 5_000;

export interface ReplicaDeps {
  store: Store;
  log: Logger;
  shipper: Shipper;
  folder: string;
  replica: string;
  /** Empty: all models of the store. */
  models: readonly string[];
  settings: LoadSettings;
  /** Of the prediction log on this disk, while the store does not take it. */
  logBytes: number;
}

export class Replica implements Catalogue {
  readonly #deps: ReplicaDeps;
  readonly #startedAt = new Date().toISOString();
  readonly #hosts = new Map<string, ModelHost>();
  readonly #journals = new Map<string, Journal>();
  /** Etags of slots that are settled here. */
  readonly #settled = new Map<string, string>();
  readonly #stop = new AbortController();
  #loops: Promise<void>[] = [];
  #looked = false;
  /** Rows of models whose log is sampled, for which there was no room. */
  #dropped = 0;
  /** The log is at its bound; looked at now and then, so it may go over by what comes in between. */
  #full = false;
  readonly #note: Note;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
    this.#note = new Note(deps.store, deps.log, deps.replica);
    for (const model of deps.models) this.#add(model);
  }

  get hosts(): readonly ModelHost[] {
    return [...this.#hosts.values()];
  }

  get stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Whether the store was looked at once, so that a model that is not here is known not to be. */
  get looked(): boolean {
    return this.#looked;
  }

  get ready(): boolean {
    return this.#looked && !this.stopping && this.hosts.every((host) => host.ready);
  }

  host(model: string): ModelHost | undefined {
    return this.#hosts.get(model);
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes of the log that are on this disk, and not in the store. */
  get logged(): number {
    let sum = this.#deps.shipper.bytes;
    for (const journal of this.#journals.values()) sum += journal.bytes;
    return sum;
  }

  /** A model whose log is whole answers nothing that it has no room for; one whose log is sampled goes on without. */
  log(version: LoadedVersion, id: string): Append | undefined {
    const { model, logged } = version;
    if (logged < 1 && pointOf(model, `log\0${id}`) >= logged) return undefined;
    if (this.#full && logged === 1)
      throw new Refusal(503, 'the prediction log is full: the store has not taken it for some time', 5);
    if (this.#full) return async (_write, rows) => void (this.#dropped += rows);
    const journal = this.#predictions(version);
    return (write, rows) => journal.append(write, rows);
  }

  besideFailed({ model, version }: LoadedVersion, error: unknown): void {
    this.#deps.log.debug({ err: error, model, version }, 'a version could not be asked beside another');
  }

  /** One journal a version: its columns are its signature's. */
  #predictions({ model, version, digest, signature, loggedInputs }: LoadedVersion): Journal {
    return this.#journal(`${model}/${digest}`, () => ({
      ...{ kind: 'predictions', model, version, digest },
      ...{ inputs: loggedInputs, outputs: signature.outputs },
    }));
  }

  labels(model: string): Journal {
    return this.#journal(`${model}/labels`, () => ({ kind: 'labels', model }));
  }

  /** Journals that hold rows and are not handed to the shipper yet. */
  get openJournals(): number {
    return [...this.#journals.values()].reduce((sum, { unshipped }) => sum + unshipped, 0);
  }

  /** Looks once, so that what is there is loaded, and then keeps watch. @param url where this replica is reached */
  async start(url: string): Promise<void> {
    await this.#discover();
    const polled = await Promise.allSettled(this.hosts.map((host) => this.#poll(host)));
    const failed = polled.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    this.#looked = true;
    this.#loops.push(
      ...this.hosts.map((host) => this.#watch(host)),
      this.#every(reportMs, () => this.#report(url)),
      this.#every(discoverMs, () => this.#discover()),
      this.#every(measureMs, async () => void (this.#full = this.logged > this.#deps.logBytes)),
    );
    await this.#report(url);
    await sweepNotes(this.#deps.store).catch((error: unknown) =>
      this.#deps.log.warn({ err: error }, 'notes of replicas that are long gone lie there still'),
    );
  }

  /** To be called after the last answer: closes journals, ships them, and signs off. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watchEnds();
    await Promise.all([...this.#journals.values()].map((journal) => journal.rotate()));
    await this.#deps.shipper.close();
    await Promise.all(this.hosts.map((host) => host.close()));
    await this.#note.signOff();
  }

  async #watchEnds(): Promise<void> {
    const patience = new AbortController();
    const over = sleep(watchEndMs, undefined, { signal: patience.signal }).catch(unlessCode('ABORT_ERR'));
    await Promise.race([Promise.all(this.#loops), over]);
    patience.abort();
  }

  /** Not ready from now on, so that balancers look elsewhere. */
  drain(): void {
    this.#stop.abort();
  }

  #add(model: string): void {
    const { store, log, settings } = this.#deps;
    const host = new ModelHost(model, store, log, settings);
    this.#hosts.set(model, host);
    if (this.#looked) this.#loops.push(this.#watch(host));
  }

  /** Each model by itself: one that takes long to load, or hangs, holds up no other. */
  #watch(host: ModelHost): Promise<void> {
    return this.#every(pollMs, () => this.#poll(host));
  }

  #journal(id: string, stream: () => Stream): Journal {
    let journal = this.#journals.get(id);
    if (journal) return journal;
    journal = new Journal(this.#deps.folder, stream(), this.#deps.shipper.ship);
    this.#journals.set(id, journal);
    return journal;
  }

  async #every(ms: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    const { log } = this.#deps;
    let away = false;
    while (!signal.aborted) {
      await sleep(ms, undefined, { signal, ref: false }).catch(unlessCode('ABORT_ERR'));
      if (signal.aborted) return;
      // A store that is away must not stop the watch, nor the serving of what is loaded. Said once, not twice a second.
      const failed = await work().then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (failed) log[away ? 'debug' : 'warn']({ err: failed.error }, 'the store did not answer');
      away = failed !== undefined;
    }
  }

  async #discover(): Promise<void> {
    if (this.#deps.models.length > 0) return;
    for await (const { key } of this.#deps.store.list('models/')) {
      const [, model = '', file] = key.split('/');
      if (file === 'current.json' && ModelName.safeParse(model).success && !this.#hosts.has(model))
        this.#add(model);
    }
  }

  async #poll(host: ModelHost): Promise<void> {
    const found = await readJson(this.#deps.store, `models/${host.name}/current.json`, Slots);
    if (!found || this.#settled.get(host.name) === found.etag) return;
    if (await host.follow(found.value)) this.#settled.set(host.name, found.etag);
  }

  async #report(url: string): Promise<void> {
    const since = this.#deps.shipper.waitingSince;
    await this.#note.write({
      url,
      at: new Date().toISOString(),
      startedAt: this.#startedAt,
      log: {
        bytes: this.logged,
        lagSeconds: since === undefined ? 0 : (Date.now() - since) / 1_000,
        dropped: this.#dropped,
      },
      models: Object.fromEntries(this.hosts.map((host) => [host.name, host.status])),
    });
  }
}
