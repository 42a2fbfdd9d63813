/**
 * One replica: the models it serves, the journals their rows go to, and the watch over what the store says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelName } from '../contracts/artifact.ts';
import { Slots } from '../contracts/serving.ts';
import type { ReplicaStatus } from '../contracts/serving.ts';
import type { Logger } from '../infra/log.ts';
import { readJson, swapJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import type { Append, Catalogue } from './catalogue.ts';
import { Journal } from './journal.ts';
import type { Stream } from './journal.ts';
import type { LoadedVersion, LoadSettings } from './loaded-version.ts';
import { ModelHost } from './model-host.ts';
import { Refusal } from './refusal.ts';
import { pointOf } from './routing.ts';
import type { Shipper } from './shipper.ts';

const pollMs = 500;
/** Looking for models nobody named means listing: less often. */
const discoverMs = 2_000;
const reportMs = 1_000;
const measureMs = 200;

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
  #statusEtag: string | undefined;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
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
    await this.#poll();
    this.#looked = true;
    this.#loops = [
      this.#every(pollMs, () => this.#poll()),
      this.#every(reportMs, () => this.#report(url)),
      this.#every(discoverMs, () => this.#discover()),
      this.#every(measureMs, async () => void (this.#full = this.logged > this.#deps.logBytes)),
    ];
    await this.#report(url);
  }

  /** To be called after the last answer: closes journals, ships them, and signs off. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
    await Promise.all([...this.#journals.values()].map((journal) => journal.rotate()));
    await this.#deps.shipper.close();
    await Promise.all(this.hosts.map((host) => host.close()));
    await this.#deps.store.delete(this.#statusKey);
  }

  /** Not ready from now on, so that balancers look elsewhere. */
  drain(): void {
    this.#stop.abort();
  }

  get #statusKey(): string {
    return `replicas/${this.#deps.replica}.json`;
  }

  #add(model: string): void {
    const { store, log, settings } = this.#deps;
    this.#hosts.set(model, new ModelHost(model, store, log, settings));
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
    while (!signal.aborted) {
      await sleep(ms, undefined, { signal, ref: false }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (signal.aborted) return;
      // A store that is away must not stop the watch, nor the serving of what is loaded.
      await work().catch((error: unknown) => this.#deps.log.warn({ err: error }, 'the store did not answer'));
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

  async #poll(): Promise<void> {
    // All of them, so that no host is asked again while it still loads.
    const polled = await Promise.allSettled(this.hosts.map((host) => this.#pollModel(host)));
    const failed = polled.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #pollModel(host: ModelHost): Promise<void> {
    const found = await readJson(this.#deps.store, `models/${host.name}/current.json`, Slots);
    if (!found || this.#settled.get(host.name) === found.etag) return;
    if (await host.follow(found.value)) this.#settled.set(host.name, found.etag);
  }

  async #report(url: string): Promise<void> {
    const status: ReplicaStatus = {
      replica: this.#deps.replica,
      url,
      at: new Date().toISOString(),
      startedAt: this.#startedAt,
      models: Object.fromEntries(this.hosts.map((host) => [host.name, host.status])),
    };
    const { store } = this.#deps;
    const etag = await swapJson(store, this.#statusKey, status, this.#statusEtag);
    // Lost to a predecessor of the same name: its note is overwritten a second later.
    this.#statusEtag = etag ?? (await store.read(this.#statusKey))?.etag;
  }
}
