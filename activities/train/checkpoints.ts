/**
 * Where a training run stands, in the store: `runs/<lifecycleId>/train/checkpoint.json` names the last
 * checkpoint, and who may write the next.
 *
 * An attempt that starts claims the file; one that was thought dead finds at its next write that somebody
 * else has it, and stops.
 */
import { z } from 'zod';
import { Artifact, Sha256 } from '../../contracts/artifact.ts';
import type { Input } from '../../contracts/lifecycle.ts';
import { readJson, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';

export const CheckpointRecord = z.object({
  /** Digests of what is trained on: a checkpoint of other data or another project is not resumed. */
  prepared: Sha256,
  project: Sha256,
  /** The attempt that may write. */
  owner: z.string(),
  step: z.number(),
  checkpoint: Artifact.optional(),
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;

export const checkpointKey = (lifecycleId: string): string => `runs/${lifecycleId}/train/checkpoint.json`;

export interface Checkpoints {
  /** What to go on from. */
  last: { step: number; checkpoint: Artifact } | undefined;
  /** @throws Error when another attempt has claimed the run */
  save(path: string, step: number): Promise<Artifact>;
}

/** @param heartbeat the last attempt's own word, for a store that has none */
export async function claimCheckpoints(
  store: Store,
  { lifecycleId, prepared, project }: Input<'train'>,
  owner: string,
  heartbeat: Checkpoints['last'],
): Promise<Checkpoints> {
  const key = checkpointKey(lifecycleId);
  const digests = { prepared: prepared.manifest.sha256, project: project.sha256 };
  const found = await readJson(store, key, CheckpointRecord);
  const ours = found?.value.prepared === digests.prepared && found.value.project === digests.project;
  const stored = ours && found.value.checkpoint;
  const last = stored ? { step: found.value.step, checkpoint: stored } : heartbeat;

  let etag = found?.etag;
  const write = async (record: Pick<CheckpointRecord, 'step' | 'checkpoint'>) => {
    etag = await swapJson(store, key, { ...digests, owner, ...record }, etag);
    if (!etag) throw new Error(`${key}: another attempt has taken over from ${owner}`);
  };
  await write(last ?? { step: 0 });
  return {
    last,
    async save(path, step) {
      const checkpoint = await store.putFile(path, 'application/octet-stream');
      await write({ step, checkpoint });
      return checkpoint;
    },
  };
}
