/**
 * Where a training run stands, in the store: `runs/<lifecycleId>/train/checkpoint.json` names the last
 * checkpoint, and who may write the next.
 *
 * An attempt that starts claims the file for its lease; one that was thought dead finds at its next write that
 * somebody else has it, and stops.
 */
import { z } from 'zod';
import { Artifact, Sha256 } from '../../contracts/artifact.ts';
import type { Input } from '../../contracts/lifecycle.ts';
import { readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { late, refuseLate } from '../lease.ts';
import type { Lease } from '../lease.ts';

export const CheckpointRecord = z.object({
  /** Digests of what is trained on: a checkpoint of other data or another project is not resumed. */
  prepared: Sha256,
  project: Sha256,
  /** The attempt that may write, and its lease; before 0.2.0 there were none. */
  owner: z.string(),
  seq: z.int().nonnegative().default(0),
  step: z.number(),
  checkpoint: Artifact.optional(),
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;

export const checkpointKey = (lifecycleId: string): string => `runs/${lifecycleId}/train/checkpoint.json`;

export interface Checkpoints {
  /** What to go on from. */
  last: { step: number; checkpoint: Artifact } | undefined;
  /** @throws Error when a later attempt has claimed the run */
  save(path: string, step: number): Promise<Artifact>;
}

/** @param heartbeat the last attempt's own word, for a store that has none */
export async function claimCheckpoints(
  store: Store,
  { lifecycleId, prepared, project }: Input<'train'>,
  lease: Lease,
  heartbeat: Checkpoints['last'],
): Promise<Checkpoints> {
  const key = checkpointKey(lifecycleId);
  const digests = { prepared: prepared.manifest.sha256, project: project.sha256 };
  const write = (record: Pick<CheckpointRecord, 'step' | 'checkpoint'>, etag: string | undefined) =>
    swapJson(store, key, { ...digests, owner: lease.holder, seq: lease.seq, ...record }, etag);

  // The attempt before may be alive, and writing: whoever has the higher lease goes on until the file is its own.
  for (;;) {
    const found = await readJson(store, key, CheckpointRecord);
    refuseLate(key, lease, found?.value.seq);
    const ours = found?.value.prepared === digests.prepared && found.value.project === digests.project;
    const stored = ours && found.value.checkpoint;
    const last = stored ? { step: found.value.step, checkpoint: stored } : heartbeat;
    let etag = await write(last ?? { step: 0 }, found?.etag);
    if (!etag) continue;
    return {
      last,
      async save(path, step) {
        const checkpoint = await store.putFile(path, 'application/octet-stream');
        etag = await write({ step, checkpoint }, etag);
        if (!etag) throw late(key, lease.holder, lease.seq);
        return checkpoint;
      },
    };
  }
}
