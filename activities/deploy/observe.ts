/**
 * One look at a rollout: the version in traffic beside the champion, under the project's limits.
 *
 * What replicas count is cheap to read, and starts anew with each of them. The prediction log is read only where the
 * rollout asks for it; drift and quality come from there, and count from the rollout's beginning.
 */
import type { ObserveInput } from '../../contracts/activities.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { GuardResult, Observation } from '../../contracts/rollout.ts';
import { guardText } from '../../contracts/rollout.ts';
import { Package, VersionRecord } from '../../contracts/serving.ts';
import type { Rollout } from '../../contracts/strategy.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { withEngine } from '../engine.ts';
import type { EngineDeps } from '../engine.ts';
import { complaint, countedGuards, loggedGuards, requestsForLatency, winnerOf } from './guards.ts';
import type { Counted, Logged } from './guards.ts';
import { agreementOf, countersOf, percentile } from './replicas.ts';
import { openRolloutLog, pairedQuality, predictionDrift } from './rollout-log.ts';
import type { Rivals } from './rollout-log.ts';
import { versionKey } from './slots.ts';

export interface ObserveDeps extends EngineDeps {
  store: Store;
}

export async function observe(deps: ObserveDeps, input: ObserveInput): Promise<Observation> {
  const { project } = await readJsonBlob(deps.store, input.project, PinnedProject);
  const { rollout: limits, task } = project;
  const { seen, peer, failed } = await countersOf(deps.store, input);
  const enough = seen.rows >= limits.minRows;
  const timed = Math.min(seen.requests, peer.requests) >= requestsForLatency;
  const counted: Counted = {
    rows: seen.rows,
    requests: seen.requests,
    errorRate: seen.requests > 0 ? seen.errors / seen.requests : null,
    latencyRatio:
      enough && timed ? ratio(percentile(seen.latency, 0.99), percentile(peer.latency, 0.99)) : null,
    agreement: enough ? agreementOf(seen.agreement, task) : null,
  };
  const logged = await lookIntoLog(deps, input, limits);
  await failpoint('deploy:observed');
  const guards = [...countedGuards(counted, limits), ...(logged ? loggedGuards(logged, limits) : [])];
  const wrong = failed ?? complaint(guards);
  return {
    ...{ share: input.share, ...counted, guards },
    healthy: wrong === undefined,
    reason: wrong ?? describe(counted, enough, limits, guards),
    ...(input.mode && { mode: input.mode, at: new Date().toISOString() }),
    ...(input.mode === 'ab' && logged && { winner: winnerOf(guards) ?? null }),
  };
}

/** @returns undefined when the log is not asked for, or nobody wants to know */
async function lookIntoLog(
  deps: ObserveDeps,
  { log, since, model, version, champion, mode }: ObserveInput,
  limits: Rollout,
): Promise<Logged | undefined> {
  const judges = mode === 'ab' || limits.quality !== false || limits.maxDrift !== undefined;
  if (!log || !since || champion === null || !judges) return undefined;
  const made = await packageOf(deps.store, model, version);
  const rivals: Rivals = { model, version, champion, since, signature: made.signature };
  return withEngine(deps, 'rollout', async (db) => {
    const none = { drift: { psi: null, rows: 0, bins: 1 }, quality: null };
    if (!(await openRolloutLog(deps.store, db, rivals))) return none;
    const drift =
      limits.maxDrift === undefined ? none.drift : await predictionDrift(db, rivals, made.reference);
    const asked = mode === 'ab' ? limits.ab : limits.quality;
    return { drift, quality: asked ? await pairedQuality(db, rivals, asked.loss) : null };
  });
}

/** The version has been rolled out, so its record is there. */
async function packageOf(store: Store, model: string, version: number): Promise<Package> {
  const record = await readJson(store, versionKey(model, version), VersionRecord);
  if (!record) throw new Error(`version ${version} of ${model} is not in the store yet`);
  return readJsonBlob(store, record.value.package, Package);
}

function describe(
  { rows, agreement }: Counted,
  enough: boolean,
  limits: Rollout,
  guards: readonly GuardResult[],
): string {
  const labels = guards.find(({ guard, value }) => guard === 'quality' && value !== null);
  const quality = labels ? `; ${guardText(labels)}` : '';
  if (!enough)
    return `healthy so far, but ${rows} rows are too few to judge by (${limits.minRows})${quality}`;
  return `healthy: ${rows} rows, agreement ${agreement === null ? 'unknown' : agreement.toFixed(2)}${quality}`;
}

function ratio(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a / b;
}
