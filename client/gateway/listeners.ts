/**
 * Which models listen to what: the event rules of each model's project, as its entity would start it next; of its champion,
 * where the entity cannot be asked. Read ahead and now and then, never for a request.
 */
import type { Client } from '@temporalio/client';
import type { Artifact } from '../../contracts/artifact.ts';
import type { GatewayEvent, Target } from '../../contracts/inbox.ts';
import { failedWith } from '../../contracts/failures.ts';
import { PinnedProject } from '../../contracts/project.ts';
import { modelWorkflowId } from '../../contracts/search.ts';
import { Package, Slots } from '../../contracts/serving.ts';
import { findKeys } from '../../infra/store/find.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { describeQuery } from '../../workflows/messages.ts';
import { eventRules, meets } from './rules.ts';
import type { EventRule } from './rules.ts';

export interface ListenersDeps {
  store: Store;
  client: Client;
  onError(error: unknown, what: string): void;
}

/** An entity answers within moments, or its worker is away. */
const askMs = 3_000;
/** An entity that has not answered by then, since Temporal did, is taken to listen to what its champion does. */
const patienceMs = 300_000;

export class Listeners {
  readonly #deps: ListenersDeps;
  #rules = new Map<string, EventRule[]>();
  /** By the digest of what was pinned, which never changes. */
  readonly #read = new Map<string, EventRule[]>();
  /** Entities that have answered once. */
  readonly #heard = new Set<string>();
  /** When Temporal said first which models there are. */
  #listedAt: number | undefined;
  #known = false;
  #refreshing: Promise<void> | undefined;
  /** It was told that Temporal does not answer. */
  #isAway = false;

  constructor(deps: ListenersDeps) {
    this.#deps = deps;
  }

  /** Of each model that listens to anything. */
  get rules(): ReadonlyMap<string, readonly EventRule[]> {
    return this.#rules;
  }

  /** Whether all who may listen were asked once: before, that nobody listens means nothing. */
  get known(): boolean {
    return this.#known;
  }

  /** Null before it is known. */
  of = (event: GatewayEvent): Target[] | null => {
    if (!this.#known) return null;
    const found: Target[] = [];
    for (const [model, rules] of this.#rules) {
      const met = rules.filter((rule) => meets(event, rule));
      if (met.length === 0) continue;
      found.push(`${model}/${met.some(({ on }) => on === 'code-changed') ? 'code' : 'event'}`);
    }
    return found;
  };

  /** @throws when the store is away; a model whose entity is silent keeps the rules it had */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#ask().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #ask(): Promise<void> {
    // Together: while no worker answers, each waits as long as it may.
    const { models, running } = await this.#models();
    const asked = [...models].map(async (model) => [model, await this.#rulesOf(model)] as const);
    const found = await Promise.all(asked);
    this.#rules = new Map(found.filter(([, rules]) => rules.length > 0));
    this.#known ||= running !== undefined && this.#allHeard(running);
  }

  #allHeard(running: readonly string[]): boolean {
    this.#listedAt ??= Date.now();
    return running.every((model) => this.#heard.has(model)) || Date.now() - this.#listedAt > patienceMs;
  }

  async #rulesOf(model: string): Promise<EventRule[]> {
    const asked = await this.#project(model);
    const artifact = asked ?? (this.#rules.has(model) ? undefined : await this.#championProject(model));
    if (!artifact) return this.#rules.get(model) ?? [];
    const known = this.#read.get(artifact.sha256);
    if (known) return known;
    const rules = await this.#rulesIn(artifact);
    this.#read.set(artifact.sha256, rules);
    return rules;
  }

  /** A project of another release may not read: it listens to nothing until it is run again. */
  async #rulesIn(artifact: Artifact): Promise<EventRule[]> {
    try {
      return eventRules(
        (await readJsonBlob(this.#deps.store, artifact, PinnedProject)).project.retrain.rules,
      );
    } catch (error) {
      if (failedWith(error, 'InvalidInput')) return [];
      throw error;
    }
  }

  /** Those that run, and those that serve. @returns `running` undefined when Temporal does not say */
  async #models(): Promise<{ models: Set<string>; running: string[] | undefined }> {
    const served = await findKeys(this.#deps.store, 'models/*', ['current.json']);
    const models = new Set(served.map(({ key }) => key.split('/')[1]!));
    const query = `WorkflowType = 'model' AND ExecutionStatus = 'Running'`;
    try {
      const running: string[] = [];
      await this.#deps.client.withDeadline(Date.now() + askMs, async () => {
        for await (const { workflowId } of this.#deps.client.workflow.list({ query }))
          running.push(workflowId.slice('model/'.length));
      });
      this.#isAway = false;
      return { models: new Set([...models, ...running]), running };
    } catch (error) {
      if (!this.#isAway) this.#deps.onError(error, 'Temporal does not say which models there are');
      this.#isAway = true;
      return { models: new Set([...models, ...this.#rules.keys()]), running: undefined };
    }
  }

  async #project(model: string): Promise<Artifact | undefined> {
    const { client } = this.#deps;
    return client
      .withDeadline(Date.now() + askMs, async () => {
        const { setup } = await client.workflow.getHandle(modelWorkflowId(model)).query(describeQuery);
        this.#heard.add(model);
        return setup?.project;
      })
      .catch(() => undefined); // nobody there, or nobody who answers for it: the champion's will do
  }

  async #championProject(model: string): Promise<Artifact | undefined> {
    const { store } = this.#deps;
    const champion = (await readJson(store, `models/${model}/current.json`, Slots))?.value.champion;
    return champion ? (await readJsonBlob(store, champion.package, Package)).project : undefined;
  }
}
