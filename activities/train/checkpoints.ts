/**
 * Where a training stands, in the store: `runs/<lifecycleId>/train/checkpoint.json` (a trial's under its own place)
 * names the last checkpoint, and who may write the next.
 *
 * An attempt that starts claims the file for its lease; one that was thought dead finds at its next write that
 * somebody else has it, and stops.
 */
import { z } from 'zod';
import { Artifact, Sha256 } from '../../contracts/artifact.ts';
import { readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { late, refuseLate } from '../lease.ts';
import type { Lease, Place } from '../lease.ts';

export const CheckpointRecord = z.object({
  /** Digests of what is trained on: a checkpoint of other data or another project is not resumed. */
  prepared: Sha256,
  project: Sha256,
  /** The attempt that may write, and its lease; before 0.2.0 there were none. */
  owner: z.string(),
  seq: z.int().nonnegative().default(0),
  step: z.number(),
  checkpoint: Artifact.optional(),
  /** What earlier attempts have spent of the budget; before 0.3.0 nobody counted. */
  spentSeconds: z.number().nonnegative().default(0),
  /** The step at which the last attempt fell silent. */
  stalledAt: z.number().optional(),
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;

export const checkpointKey = (lifecycleId: string, place: Place = 'train'): string =>
  `runs/${lifecycleId}/${place}/checkpoint.json`;

/** A step, and the file from which a successor goes on. */
export interface Checkpoint {
  step: number;
  checkpoint: Artifact;
}

export interface Checkpoints {
  /** What to go on from: the newest, whoever made it. */
  readonly last: Checkpoint | undefined;
  /** What this attempt began with. */
  readonly resumedFrom: Checkpoint | undefined;
  /** By the attempts before this one. */
  readonly spentBefore: number;
  readonly stalledAt: number | undefined;
  /** @throws Error when a later attempt has claimed the run */
  save(path: string, step: number): Promise<Artifact>;
  /** What the next attempt should know of this one. @throws as `save` */
  note(spentSeconds: number, stalledAt?: number): Promise<void>;
}

export interface CheckpointOwner {
  lifecycleId: string;
  place: Place;
  prepared: Artifact;
  project: Artifact;
}

/** @param heartbeat the last attempt's own word, for a store that has none */
export async function claimCheckpoints(
  store: Store,
  { lifecycleId, place, prepared, project }: CheckpointOwner,
  lease: Lease,
  heartbeat: Checkpoint | undefined,
): Promise<Checkpoints> {
  const key = checkpointKey(lifecycleId, place);
  const digests = { prepared: prepared.sha256, project: project.sha256 };
  // The attempt before may be alive, and writing: whoever has the higher lease goes on until the file is its own.
  for (;;) {
    const found = await readJson(store, key, CheckpointRecord);
    refuseLate(key, lease, found?.value.seq);
    const ours = found?.value.prepared === digests.prepared && found.value.project === digests.project;
    const { step, checkpoint, spentSeconds = 0, stalledAt } = ours ? found.value : {};
    const last = checkpoint ? { step: step!, checkpoint } : heartbeat;
    const state = { ...(last ?? { step: 0 }), spentSeconds, ...(stalledAt !== undefined && { stalledAt }) };
    const claim = new Claim(store, key, { ...digests, owner: lease.holder, seq: lease.seq, ...state });
    if (await claim.begin(found?.etag)) return claim;
  }
}

/** The file as this attempt has written it last; each write is fenced by the one before. */
class Claim implements Checkpoints {
  readonly #store: Store;
  readonly #key: string;
  readonly resumedFrom: Checkpoint | undefined;
  readonly spentBefore: number;
  readonly stalledAt: number | undefined;
  #record: CheckpointRecord;
  #etag: string | undefined;

  constructor(store: Store, key: string, record: CheckpointRecord) {
    this.#store = store;
    this.#key = key;
    this.#record = record;
    this.resumedFrom = this.last;
    this.spentBefore = record.spentSeconds;
    this.stalledAt = record.stalledAt;
  }

  get last(): Checkpoint | undefined {
    const { step, checkpoint } = this.#record;
    return checkpoint && { step, checkpoint };
  }

  async begin(etag: string | undefined): Promise<boolean> {
    this.#etag = await swapJson(this.#store, this.#key, this.#record, etag);
    return this.#etag !== undefined;
  }

  async save(path: string, step: number): Promise<Artifact> {
    const checkpoint = await this.#store.putFile(path, 'application/octet-stream');
    await this.#write({ step, checkpoint });
    return checkpoint;
  }

  async note(spentSeconds: number, stalledAt?: number): Promise<void> {
    await this.#write({ spentSeconds, stalledAt });
  }

  async #write(change: Partial<CheckpointRecord>): Promise<void> {
    const { owner, seq } = this.#record;
    this.#record = { ...this.#record, ...change };
    this.#etag = await swapJson(this.#store, this.#key, this.#record, this.#etag);
    if (!this.#etag) throw late(this.#key, owner, seq);
  }
}
