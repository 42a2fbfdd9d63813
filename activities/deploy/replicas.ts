/**
 * What the serving replicas report, read from the store: who is alive, what they have loaded, and
 * what they have counted.
 */
import { Context } from '@temporalio/activity';
import type { ObserveInput } from '../../contracts/activities.ts';
import type { Task } from '../../contracts/project.ts';
import { latencyBoundsMs, replicaAliveMs, ReplicaStatus, Slots } from '../../contracts/serving.ts';
import type { VersionCounters } from '../../contracts/serving.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { currentKey } from './slots.ts';

const patienceMs = 120_000;
const pollMs = 250;

export async function liveReplicas(store: Store, now = Date.now()): Promise<ReplicaStatus[]> {
  const alive: ReplicaStatus[] = [];
  for await (const { key } of store.list('replicas/')) {
    const found = await readJson(store, key, ReplicaStatus);
    if (found && now - Date.parse(found.value.at) < replicaAliveMs) alive.push(found.value);
  }
  return alive;
}

/**
 * Waits until every live replica acts on `epoch` and has `version`, or one says that it cannot, or
 * somebody takes the version back: then no replica ever will, and the wait would last to its end.
 */
export async function settle(
  store: Store,
  { model, version, epoch }: { model: string; version: number; epoch: number },
): Promise<{ ready: boolean; reason: string }> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const replicas = await liveReplicas(store);
    const states = replicas.map((replica) => ({ replica: replica.replica, state: replica.models[model] }));
    for (const { replica, state } of states) {
      const failed = state?.failed.find((one) => one.version === version);
      if (failed) return { ready: false, reason: `replica ${replica} cannot load it: ${failed.reason}` };
    }
    const ready = states.filter(
      ({ state }) => state && state.epoch >= epoch && state.loaded.includes(version),
    );
    if (states.length > 0 && ready.length === states.length) {
      return { ready: true, reason: `${ready.length} replicas ready` };
    }
    const gone = await takenBack(store, model, version, epoch);
    if (gone !== undefined) return { ready: false, reason: `version ${version} was taken back: ${gone}` };
    if (Date.now() > until) {
      const reason =
        states.length === 0 ? 'no serving replica is alive' : 'not every replica got ready in time';
      return { ready: false, reason };
    }
    Context.current().heartbeat({ ready: ready.length, of: states.length });
    await Context.current().sleep(pollMs);
  }
}

/** @returns why a later epoch has no slot for the version; undefined while it has one */
async function takenBack(
  store: Store,
  model: string,
  version: number,
  epoch: number,
): Promise<string | undefined> {
  const { value: slots } = (await readJson(store, currentKey(model), Slots)) ?? {};
  if (!slots || slots.epoch <= epoch) return undefined;
  return [slots.champion, slots.challenger].some((slot) => slot?.version === version)
    ? undefined
    : slots.reason;
}

/** Of all live replicas: what they counted of both versions since they loaded them, and why one cannot serve. */
export async function countersOf(
  store: Store,
  { model, version, champion }: Pick<ObserveInput, 'model' | 'version' | 'champion'>,
) {
  const replicas = await liveReplicas(store);
  const states = replicas.flatMap(({ models }) => (models[model] ? [models[model]] : []));
  const counters = states.flatMap((state) => state.counters);
  return {
    seen: summed(counters.filter((one) => one.version === version)),
    peer: summed(counters.filter((one) => one.version === champion)),
    failed: states.flatMap((state) => state.failed).find((one) => one.version === version)?.reason,
  };
}

function summed(counters: VersionCounters[]): Omit<VersionCounters, 'version'> {
  const total = {
    requests: 0,
    rows: 0,
    errors: 0,
    latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0),
    agreement: { n: 0, x: 0, y: 0, xx: 0, yy: 0, xy: 0, same: 0 },
  };
  for (const one of counters) {
    total.requests += one.requests;
    total.rows += one.rows;
    total.errors += one.errors;
    one.latency.forEach((count, i) => (total.latency[i]! += count));
    for (const key of ['n', 'x', 'y', 'xx', 'yy', 'xy', 'same'] as const)
      total.agreement[key] += one.agreement[key];
  }
  return total;
}

/** Upper bound of the bucket that holds the percentile, in ms. Null when nothing was counted. */
export function percentile(latency: readonly number[], share: number): number | null {
  const all = latency.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let below = 0;
  for (const [i, count] of latency.entries()) {
    below += count;
    if (below >= share * all) return latencyBoundsMs[i] ?? 2 * latencyBoundsMs.at(-1)!;
  }
  return null;
}

/**
 * Concordance of the two predictions: 1 when they are equal, 0 when one tells nothing of the other. Unlike the
 * correlation it falls when one of them hardly varies or is off, as a version that has learned nothing is. For
 * multiclass: the share of rows on which both name the same class.
 *
 * @returns null without rows, or when both are the same constant
 * @see Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45 (1989), eq. 2
 */
export function agreementOf(sums: VersionCounters['agreement'], task: Task): number | null {
  const { n, x, y, xx, yy, xy, same } = sums;
  if (n === 0) return null;
  if (task === 'multiclass-classification') return same / n;
  const [meanX, meanY] = [x / n, y / n];
  const spread = xx / n - meanX ** 2 + (yy / n - meanY ** 2) + (meanX - meanY) ** 2;
  return spread <= 1e-12 ? null : (2 * (xy / n - meanX * meanY)) / spread;
}
