/** Which stages of a run may use results of equal runs, and how the run tells of it. */
import type { CacheNote, LifecyclePlan } from '../contracts/lifecycle.ts';
import type { StageName } from '../contracts/stage.ts';
import { stageNames } from '../contracts/stage.ts';

/** Nothing at all for a plan of before 0.3.0. */
export function reuseOf({ reuse }: LifecyclePlan, stage: StageName): { reuse?: boolean } {
  if (!reuse) return {};
  const { off, from } = reuse;
  return { reuse: !off && (from === undefined || stageNames.indexOf(stage) < stageNames.indexOf(from)) };
}

/** `; cache hit: equal to lifecycle/flights/2`, `; cache miss: data changed`. */
export function cacheText({ cache }: { cache?: CacheNote | undefined }): string {
  if (!cache) return '';
  return `; cache ${cache.hit ? 'hit' : 'miss'}: ${cache.why}`;
}
