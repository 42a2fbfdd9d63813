/**
 * The output place: claimed by `_plan.json`, filled part by part, closed by `_manifest.json`.
 *
 * Every write is a create-if-absent, and every part bears the digest of the plan it was made by. So of two attempts
 * one writes a part and the other finds it; and an attempt of an older run, thought dead, is told apart from ours.
 */
import { createReadStream } from 'node:fs';
import { rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { failedWith, permanent } from '../../contracts/failures.ts';
import { ScoreClaim } from '../../contracts/score.ts';
import type { ScoredPart, ScorePart, ScoreRequest } from '../../contracts/score.ts';
import { sha256, sha256Of } from '../../infra/digest.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import { hasCode } from '../../infra/errno.ts';
import { canonicalJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { marks } from './marks.ts';

const planKey = '_plan.json';
export const manifestKey = '_manifest.json';

type Claim = z.infer<typeof ScoreClaim>;

export const claimDigest = (claim: Claim): string => sha256(canonicalJson(claim));

/** @throws `OutputTaken` when the place holds anything that is not of this very plan */
export async function claimOutput(out: Store, request: ScoreRequest, claim: Claim): Promise<void> {
  const wanted = canonicalJson(claim);
  const there = await out.read(planKey);
  if (there && text(there.bytes) === wanted) return;
  if (there) {
    if (!request.overwrite) throw taken(request, otherwise(text(there.bytes), claim));
    await clear(out, text(there.bytes), request);
  }
  const stranger = await firstOf(out, new Set([manifestKey, ...claim.parts.map(({ name }) => name)]));
  if (stranger !== undefined) {
    throw taken(
      request,
      `it holds ${stranger}, which is of no scoring that can be told; give an empty place`,
    );
  }
  if (await out.create(planKey, wanted, 'application/json')) return;
  const now = await out.read(planKey);
  if (!now || text(now.bytes) !== wanted) throw taken(request, 'another scoring has just claimed it');
}

/** The manifest goes first, so that no reader takes the rest for whole, and the plan last, so that this can be done again. */
async function clear(out: Store, plan: string, request: ScoreRequest): Promise<void> {
  const { data: claim } = ScoreClaim.safeParse(asJson(plan));
  if (!claim) throw taken(request, `its ${planKey} is not one of ours`);
  await out.delete(manifestKey);
  const ours = new Set(claim.parts.map(({ name }) => name));
  const there: string[] = [];
  for await (const { key } of out.list('')) if (ours.has(key)) there.push(key);
  for (const key of there) await out.delete(key);
  await out.delete(planKey);
}

async function firstOf(out: Store, names: ReadonlySet<string>): Promise<string | undefined> {
  for await (const { key } of out.list('')) if (names.has(key)) return key;
  return undefined;
}

/** What is different, in words. */
function otherwise(plan: string, claim: Claim): string {
  const { data: other } = ScoreClaim.safeParse(asJson(plan));
  if (!other) return `its ${planKey} is not one of ours`;
  const by = `a scoring by ${other.model}/${other.version}`;
  if (other.model !== claim.model || other.version !== claim.version || other.package !== claim.package)
    return `it holds ${by}, and this one is by ${claim.model}/${claim.version}`;
  if (canonicalJson(other.keep) !== canonicalJson(claim.keep))
    return `it holds ${by} that keeps other columns`;
  const changed = claim.inputs.find(({ name, sha256: digest }) =>
    other.inputs.every((one) => one.name !== name || one.sha256 !== digest),
  );
  const what = changed ? `${changed.name} was not among its inputs as it is now` : 'its inputs were more';
  return `it holds ${by} of other inputs: ${what}`;
}

function taken({ output }: ScoreRequest, why: string) {
  const message = `${output} is not for this scoring: ${why}; or say --overwrite, which deletes what that scoring wrote`;
  return permanent('OutputTaken', message.replace(/; give an empty place;.*/s, '; give an empty place'), {
    output,
  });
}

export interface Committing {
  out: Store;
  db: Pick<DuckDb, 'rows'>;
  request: ScoreRequest;
  /** Of the plan. */
  digest: string;
}

/**
 * @param path of what was made for the part
 * @returns the part as it lies in the output, whoever put it there
 * @throws `OutputTaken` when the place has been claimed by another plan
 */
export async function commitPart(
  committing: Committing,
  part: z.infer<typeof ScorePart>,
  path: string,
): Promise<ScoredPart> {
  const { out, request, digest } = committing;
  for (let tries = 1; ; tries++) {
    if (await out.createFromFile(part.name, path, 'application/vnd.apache.parquet'))
      return { ...part, ...(await factsOf(committing, path)) };
    const there = await foundPart(committing, part);
    if (there) return there;
    const plan = await out.read(planKey);
    if (!plan || sha256(plan.bytes) !== digest)
      throw taken(request, 'another scoring has claimed it meanwhile');
    if (tries === 3) throw new Error(`${part.name} is written again and again by another scoring`);
    await out.delete(part.name); // of an attempt of the run that was overwritten
  }
}

/** @returns undefined when it is not there, or was made by another plan */
export async function foundPart(
  committing: Committing,
  part: z.infer<typeof ScorePart>,
): Promise<ScoredPart | undefined> {
  const path = await committing.out.localKey(part.name).catch((error: unknown) => {
    if (failedWith(error, 'NotFound')) return undefined;
    throw error;
  });
  if (path === undefined) return undefined;
  const { plan, ...facts } = await factsOf(committing, path);
  return plan === committing.digest ? { ...part, ...facts } : undefined;
}

async function factsOf({ db }: Pick<Committing, 'db'>, path: string) {
  const kept = await db.rows<{ key: string; value: string }>(
    `SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${quoteLiteral(path)})`,
  );
  const mark = (name: string) => kept.find(({ key }) => key === name)?.value;
  return {
    plan: mark(marks.plan),
    bytes: (await stat(path)).size,
    sha256: await sha256Of(createReadStream(path)),
    rowsWithoutPrediction: Number(mark(marks.without) ?? 0),
  };
}

/** Names of what is there, with their sizes. */
export async function listed(out: Store): Promise<Map<string, number>> {
  const names = new Map<string, number>();
  for await (const { key, bytes } of out.list('')) names.set(key, bytes);
  return names;
}

/** A folder that is whole holds nothing but the result: the store's own folders go, if nobody else uses them. */
export async function tidyFolder(out: Store): Promise<void> {
  if (!out.uri.startsWith('file:')) return;
  await rmdir(join(fileURLToPath(out.uri), '.tmp')).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  });
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function asJson(from: string): unknown {
  try {
    return JSON.parse(from);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
