/**
 * What machines send to the gateway: events that are new, sent again, or another under the same id, in any order, some many at
 * once; labels; rows. What it answers for is written down.
 */
import { sha256 } from '../../infra/digest.ts';
import { canonicalJson } from '../../infra/store/json.ts';
import { cloudEvent, send } from '../support/gateway.ts';
import type { Answer } from '../support/gateway.ts';
import { january } from '../support/stage.ts';
import type { Doing } from './load.ts';
import { pick } from './plan.ts';
import type { Act } from './plan.ts';
import { listenedTo, modelNames } from './town.ts';
import type { Town } from './town.ts';

/** Whoever is on this machine, where there are no settings. */
const caller = 'local';
const source = 'sensors';

interface Sent {
  id: string;
  source: string;
  type: string;
  time: string;
  data: unknown;
}

const past: Sent[] = [];
const pushed: { key: string; rows: object[]; ids: string[] }[] = [];

/** A fifth is for nobody. Times are of two days, in any order. */
function made(id: string, [which, when, data]: Parameters<Doing>[1]): Sent {
  const time = new Date(Date.parse(january.until) - Math.floor(when * 2_880) * 60_000).toISOString();
  const about = which < 0.2 ? { type: 'lunch', source: 'plant' } : listenedTo;
  return { id, ...about, time, data: { data } };
}

const event: Doing = async (town, dice, n) => {
  const one = made(`e-${n}`, dice);
  past.push(one);
  await tellOf(town, one);
};

const eventAgain: Doing = async (town, [which]) => {
  const one = pick(past, which);
  if (one) await tellOf(town, one);
};

/** Another event under the id of one that may have been taken, or not: then it is this that is taken. */
const eventOther: Doing = async (town, [which], n) => {
  const one = pick(past, which);
  if (one) await tellOf(town, { ...one, data: { other: n } });
};

/** At once, and some of them twice. */
const flood: Doing = async (town, dice, n) => {
  const many = Array.from({ length: 40 }, (_, i) => made(`f-${n}-${i % 30}`, dice));
  await Promise.allSettled(many.map((one) => tellOf(town, one)));
};

/** @returns what it answered, for who wants to know why it did not take it */
export async function tellOf(town: Town, one: Sent): Promise<Answer> {
  const answer = await send(
    `${town.stack.gatewayUrl}/events`,
    { specversion: '1.0', ...one },
    { 'content-type': cloudEvent },
  );
  const { status, body } = answer;
  const about = { caller, source: one.source, id: one.id, digest: sha256(canonicalJson(one)) };
  if (status === 409) town.acknowledge({ kind: 'event-conflict', ...about });
  if (status === 202 || status === 200)
    town.acknowledge({ kind: 'event', ...about, disposition: body.disposition });
  return answer;
}

const gatewayLabel: Doing = async (town, [which, value], n) => {
  const model = pick(modelNames, which);
  const ids = [`gl-${n}-0`, `gl-${n}-1`];
  const label = value < 0.5 ? 0 : 1;
  await labelAt(town, model, ids, label);
};

export async function labelAt(town: Town, model: string, ids: string[], label: number): Promise<Answer> {
  const answer = await send(
    `${town.stack.gatewayUrl}/labels?model=${model}`,
    ids.map((id) => ({ id, label })),
  );
  if (answer.status === 202) town.acknowledge({ kind: 'label', model, ids, value: String(label) });
  return answer;
}

const push: Doing = async (town, [value, keyed], n) => {
  const ids = [`r-${n}-0`, `r-${n}-1`, `r-${n}-2`];
  const rows = ids.map((id) => ({ id, heat: value }));
  const key = keyed < 0.8 ? `push-${n}` : null;
  if (key !== null) pushed.push({ key, rows, ids });
  await pushTo(town, rows, ids, key);
};

/** The same, or another body under the same key. */
const pushAgain: Doing = async (town, [which, other], n) => {
  const before = pick(pushed, which);
  if (!before) return;
  const changed = other < 0.3 ? before.rows.map((row) => ({ ...row, heat: n })) : before.rows;
  await pushTo(town, changed, before.ids, before.key);
};

export async function pushTo(town: Town, rows: object[], ids: string[], key: string | null): Promise<Answer> {
  const text = JSON.stringify(rows);
  const answer = await send(
    `${town.stack.gatewayUrl}/data/${source}`,
    text,
    key === null ? {} : { 'idempotency-key': key },
  );
  const { status } = answer;
  if (status === 409 && key !== null)
    town.acknowledge({ kind: 'push-conflict', source, key, digest: sha256(text) });
  if (status === 202 || status === 200) town.acknowledge({ kind: 'push', source, key, ids });
  return answer;
}

export const machines = {
  event,
  eventAgain,
  eventOther,
  flood,
  gatewayLabel,
  push,
  pushAgain,
} satisfies Partial<Record<Act, Doing>>;
