/**
 * `cache/<stage>/<key>.json`: what a stage made, to be used again when code, environment, parameters and data are the
 * same, and the bytes are still there and hash right. The reason of a hit or a miss is told.
 *
 * Of two equal runs at once one works: it holds `cache/<stage>/<key>.claim.json`, and the other waits for its result.
 */
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { Artifact, Instant } from '../contracts/artifact.ts';
import { failedWith } from '../contracts/failures.ts';
import type { CacheNote, Input, Output, Stage } from '../contracts/lifecycle.ts';
import { sha256 } from '../infra/digest.ts';
import { canonicalJson, createJson, readBytes, readJson, swapJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import type { Lease } from './lease.ts';

/** All that a result follows from, each part by itself, so that a miss can say what has changed. */
export interface Origin {
  code: string;
  environment: string;
  parameters: unknown;
  data: unknown;
  /** Of the data, where a stage is asked for one. */
  window?: unknown;
}

/** @returns a sentence for what cannot be used again */
export type OriginOf<S extends Stage> = (input: Input<S>) => Promise<Origin | string>;

const partNames = ['code', 'environment', 'parameters', 'data', 'window'] as const;
const Digests = z.record(z.enum(partNames), z.string());
type Digests = z.infer<typeof Digests>;

const Entry = z.object({
  origin: Digests,
  lifecycleId: z.string(),
  at: Instant,
  output: z.unknown(),
  inputs: z.record(z.string(), Artifact),
  details: z.record(z.string(), z.unknown()),
});
type Entry = z.infer<typeof Entry>;

const Claim = z.object({ lifecycleId: z.string(), holder: z.string(), seenAt: Instant });

const sayMs = 5_000;
/** Four missed words. */
const goneAfterMs = 4 * sayMs;
const lookMs = 500;

interface Made<S extends Stage> {
  output: Output<S>;
  inputs: Entry['inputs'];
  details: Entry['details'];
}

/** @param work makes the result, when there is none to use */
export async function reused<S extends Stage>(
  store: Store,
  stage: S,
  input: Input<S>,
  lease: Lease,
  originOf: OriginOf<S>,
  work: () => Promise<Made<S>>,
): Promise<Made<S>> {
  const { lifecycleId, reuse } = input;
  if (reuse === undefined) return work();
  const origin = await originOf(input);
  if (typeof origin === 'string') return noted(await work(), { hit: false, why: origin });
  const digests = digestsOf(origin);
  const key = `cache/${stage}/${sha256(canonicalJson(digests))}`;
  const model = lifecycleId.split('/')[1]!;
  const why = reuse ? await missed(store, `cache/${stage}/last/${model}.json`, digests) : 'turned off';
  const claim = reuse ? await claimed(store, key, lifecycleId, lease.holder) : undefined;
  if (claim && 'entry' in claim) {
    const hit = {
      hit: true,
      why: `equal to ${claim.entry.lifecycleId}`,
    };
    return noted(claim.entry as Made<S>, hit);
  }
  try {
    const made = await work();
    const entry = { ...made, origin: digests, lifecycleId, at: new Date().toISOString() };
    await createJson(store, `${key}.json`, entry);
    return noted(made, { hit: false, why: claim?.damaged ?? why });
  } finally {
    await claim?.release();
  }
}

function noted<S extends Stage>({ output, inputs, details }: Made<S>, cache: CacheNote): Made<S> {
  return { output: { ...output, cache }, inputs, details };
}

function digestsOf(origin: Origin): Digests {
  return Object.fromEntries(
    partNames.map((name) => [name, sha256(canonicalJson(JSON.parse(JSON.stringify(origin[name] ?? null))))]),
  ) as Digests;
}

/** What has changed since this model's last run of the stage; and remembers this one. */
async function missed(store: Store, key: string, digests: Digests): Promise<string> {
  const last = await readJson(store, key, Digests);
  const changed = partNames.filter((name) => last?.value[name] !== digests[name]);
  if (!last || changed.length > 0) await swapJson(store, key, digests, last?.etag);
  if (!last) return 'first run';
  return changed.length > 0 ? `${changed.join(', ')} changed` : 'no result is kept';
}

type Claimed = { entry: Entry } | { release(): Promise<void>; damaged: string | undefined };

/** The result, or the right to make it. Waits while another run that lives is making it. */
async function claimed(store: Store, key: string, lifecycleId: string, holder: string): Promise<Claimed> {
  let damaged: string | undefined;
  for (;;) {
    const found = await readJson(store, `${key}.json`, Entry);
    if (found && (await isWhole(store, found.value))) return { entry: found.value };
    if (found) {
      damaged = `the result of ${found.value.lifecycleId} is damaged or gone`;
      await store.delete(`${key}.json`);
    }
    const release = await claim(store, `${key}.claim.json`, lifecycleId, holder);
    if (release) return { release, damaged };
    await Context.current().sleep(lookMs);
  }
}

/** @returns how to give it back; undefined while another run has it */
async function claim(store: Store, key: string, lifecycleId: string, holder: string) {
  const taken = await readJson(store, key, Claim);
  const others = taken && taken.value.lifecycleId !== lifecycleId;
  if (others && Date.now() - Date.parse(taken.value.seenAt) < goneAfterMs) return undefined;
  const say = (etag: string | undefined) =>
    swapJson(store, key, { lifecycleId, holder, seenAt: new Date().toISOString() }, etag);
  let etag = await say(taken?.etag);
  if (etag === undefined) return undefined;
  const timer = setInterval(() => {
    // A word that is not heard makes the work be done twice, and nothing worse.
    void say(etag).then(
      (next) => (etag = next ?? etag),
      () => undefined,
    );
  }, sayMs);
  return async () => {
    clearInterval(timer);
    await store.delete(key);
  };
}

/** Every artifact that the result names, and those that its manifests name. Reads and hashes all bytes. */
async function isWhole(store: Store, { output, details }: Entry): Promise<boolean> {
  const seen = new Set<string>();
  const check = async (value: unknown): Promise<void> => {
    if (typeof value !== 'object' || value === null) return;
    const { success, data: artifact } = Artifact.safeParse(value);
    if (!success) {
      for (const one of Object.values(value)) await check(one);
      return;
    }
    if (seen.has(artifact.sha256)) return;
    seen.add(artifact.sha256);
    if (artifact.mediaType === 'application/json') {
      await check(JSON.parse(new TextDecoder().decode(await readBytes(store, artifact))));
    } else for await (const _ of store.readBlob(artifact)); // to its end, where the digest is compared
  };
  try {
    await check([output, details]);
    return true;
  } catch (error) {
    if (failedWith(error, 'DigestMismatch') || failedWith(error, 'NotFound')) return false;
    throw error;
  }
}
