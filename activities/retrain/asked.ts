/**
 * What a tick asks for: the first answer stands. Ticks of one window may overlap, and one may be tried again when another
 * champion serves, by whose rules something else fires: still it is one trigger.
 */
import { z } from 'zod';
import { parse } from '../../contracts/failures.ts';
import { ModelName } from '../../contracts/artifact.ts';
import { Trigger } from '../../contracts/lifecycle.ts';
import { createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { Fired } from './rules.ts';

/** `retrain/<model>/<tick>.json` */
const Asked = z.object({ rules: z.array(Fired).min(1), trigger: Trigger });
export type Asked = z.infer<typeof Asked>;

const askedKey = (model: string, tick: string): string => `retrain/${parse(ModelName, model)}/${tick}.json`;

export async function askedBefore(store: Store, model: string, tick: string): Promise<Asked | undefined> {
  return (await readJson(store, askedKey(model, tick), Asked))?.value;
}

export async function firstAsked(store: Store, model: string, tick: string, asked: Asked): Promise<Asked> {
  if (await createJson(store, askedKey(model, tick), asked)) return asked;
  return (await askedBefore(store, model, tick)) ?? asked;
}
