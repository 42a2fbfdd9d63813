/**
 * Days of pushed rows that are over become one file each: a sensor that pushes every ten seconds makes 8,640 a day, and who
 * reads them opens each.
 *
 * Which files a day is made of is written down first, and whoever reads takes `landing/<source>/<day>.parquet` for all below
 * `landing/<source>/<day>/`, from the moment it is there. So no row is ever seen twice, or not at all, wherever this is cut short.
 */
import { z } from 'zod';
import { createJson, readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { Packing } from './packing.ts';

/** `landed/<source>/merged/<day>.json` */
export const MergedDay = z.object({ files: z.array(z.string()).min(1) });
export const mergedKey = (source: string, day: string): string => `landed/${source}/merged/${day}.json`;

/** A few files a day are what is wanted. */
const filesAtLeast = 8;
const dayMs = 86_400_000;

/** Nobody writes into a day any more when the next one has passed, too. @param now ISO 8601 UTC */
export function isOver(day: string, now: string): boolean {
  return Date.parse(now.slice(0, 10)) - Date.parse(day) > dayMs;
}

/** @param now ISO 8601 UTC. @returns how many days became one file */
export async function mergeDays(store: Store, packing: Packing, now: string): Promise<number> {
  const days = new Map<string, string[]>();
  for await (const { key } of store.list('landing/')) {
    const [, source, day, file] = key.split('/');
    if (file === undefined || !isOver(day!, now)) continue;
    const name = `${source}/${day}`;
    days.set(name, [...(days.get(name) ?? []), key]);
  }
  let merged = 0;
  for (const [name, files] of days) {
    const [source, day] = name.split('/') as [string, string];
    const begun = await readJson(store, mergedKey(source, day), MergedDay);
    if (!begun && files.length < filesAtLeast) continue;
    await mergeDay(store, packing, source, day, files);
    merged++;
  }
  return merged;
}

async function mergeDay(
  store: Store,
  packing: Packing,
  source: string,
  day: string,
  found: string[],
): Promise<void> {
  const key = mergedKey(source, day);
  await createJson(store, key, { files: found }); // what was written down before stands
  const { files } = (await readJson(store, key, MergedDay))!.value;
  const whole = `landing/${source}/${day}.parquet`;
  if (!(await exists(store, whole))) {
    const paths: string[] = [];
    for (const file of files) paths.push(await store.localKey(file));
    await packing.merge(paths, (path) => store.createFromFile(whole, path, 'application/vnd.apache.parquet'));
  }
  for (const file of files) await store.delete(file);
}

async function exists(store: Store, key: string): Promise<boolean> {
  for await (const listed of store.list(key)) if (listed.key === key) return true;
  return false;
}
