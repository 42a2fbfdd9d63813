/** Who serves a model: what each replica last said of itself, and how many act on what the store wants. */
import { replicaAliveMs, ReplicaStatus, Slots } from '../contracts/serving.ts';
import { readJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { counted, seconds, table } from './output.ts';

/** For so long whoever looks for a replica that died sees when that was. */
const goneMs = 600_000;
/** A complete journal is in the store within moments, unless the store does not take it. */
const lagSecondsAtMost = 30;

export interface ReplicaLook {
  replica: string;
  url: string;
  /** `failed`: it cannot load what the slots name, or what it had loaded fails. `gone`: nothing was heard of it for 10 s. */
  state: 'ok' | 'behind' | 'failed' | 'gone';
  epoch: number;
  /** Versions in its memory, the champion first. */
  loaded: number[];
  /** When it took that epoch; when it started, if it does not say. */
  since: string;
  heard: string;
  silentSeconds: number;
  failed: { version: number; epoch: number; reason: string }[];
  /** Absent from replicas before 0.4.0. */
  log?: NonNullable<ReplicaStatus['log']>;
}

export interface Convergence {
  /** The epoch that the store has; null before the first. */
  desired: number | null;
  /** Of those that are alive. */
  converged: number;
  alive: number;
  replicas: ReplicaLook[];
}

/** Replicas that have the model, by name; who is gone for more than ten minutes is left out. */
export async function convergenceOf(store: Store, model: string, now = Date.now()): Promise<Convergence> {
  const slots = await readJson(store, `models/${model}/current.json`, Slots);
  const desired = slots?.value.epoch ?? null;
  const replicas: ReplicaLook[] = [];
  for await (const { key } of store.list('replicas/')) {
    const found = await readJson(store, key, ReplicaStatus);
    const look = found && lookOf(found.value, model, desired ?? 0, now);
    if (look && look.silentSeconds * 1_000 < goneMs) replicas.push(look);
  }
  const alive = replicas.filter(({ state }) => state !== 'gone');
  const converged = alive.filter(({ epoch }) => epoch >= (desired ?? 0)).length;
  return { desired, converged, alive: alive.length, replicas };
}

function lookOf(status: ReplicaStatus, model: string, desired: number, now: number): ReplicaLook | undefined {
  const { replica, url, at, startedAt, log } = status;
  const said = status.models[model];
  if (!said) return undefined;
  const { epoch, loaded, failed } = said;
  const silentMs = Math.max(0, now - Date.parse(at)); // its clock may be ahead of ours
  const serving = failed.length > 0 ? 'failed' : epoch < desired ? 'behind' : 'ok';
  return {
    ...{ replica, url, state: silentMs < replicaAliveMs ? serving : 'gone', epoch, loaded },
    ...{ since: said.since ?? startedAt, heard: at, silentSeconds: silentMs / 1_000, failed },
    ...(log && { log }),
  };
}

/** @returns `2 of 3 replicas at epoch 7`, a table of them, and a sentence for each that has trouble */
export function convergenceText({ desired, converged, alive, replicas }: Convergence): {
  summary: string;
  details: string[];
} {
  const summary =
    alive === 0
      ? 'no replica is alive'
      : `${converged} of ${counted(alive, 'replica')} at epoch ${desired ?? 0}`;
  if (replicas.length === 0) return { summary, details: [] };
  const rows = replicas.map(({ replica, state, epoch, loaded, since, silentSeconds, url }) => [
    ...[replica, state, String(epoch), loaded.join(', ') || 'none', moment(since)],
    ...[`${seconds(silentSeconds)} ago`, url],
  ]);
  return {
    summary,
    details: [
      '',
      table(['replica', 'state', 'epoch', 'versions', 'since (UTC)', 'heard', 'url'], rows),
      ...replicas.flatMap(troubles),
    ],
  };
}

function troubles({ replica, state, failed, log }: ReplicaLook): string[] {
  if (state === 'gone') return [];
  const reasons = failed.map(
    ({ version, epoch, reason }) => `${replica}: version ${version} of epoch ${epoch}: ${reason}`,
  );
  if (log && log.lagSeconds > lagSecondsAtMost)
    reasons.push(
      `${replica}: the store has taken no predictions for ${seconds(log.lagSeconds)}; ` +
        `${(log.bytes / 1e6).toFixed(1)} MB wait on its disk`,
    );
  return reasons;
}

function moment(instant: string): string {
  return instant.slice(0, 19).replace('T', ' ');
}
