/**
 * Finds named objects of a known shape, much faster than `list` does: in a folder that is a store it looks only where
 * such keys can be, and a full walk of ten thousand lifecycles would read eighty thousand folders.
 *
 * The file store is looked at with blocking calls, a tenth of the cost of the others: for commands, not for servers.
 */
import { readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkKey } from './key.ts';
import type { Listed, Store } from './store.ts';

/**
 * Every object whose key is `base/tail` for one of the tails; `*` stands for one whole segment.
 *
 * @param base such as `runs/lifecycle/flights/*`. On S3 everything below its part before the first `*` is listed.
 */
export async function findKeys(store: Store, base: string, tails: readonly string[]): Promise<Listed[]> {
  for (const tail of tails) checkKey(`${base}/${tail}`);
  if (!store.uri.startsWith('file:')) return listed(store, base, tails);
  const found: Listed[] = [];
  const root = fileURLToPath(store.uri);
  const split = tails.map((tail) => tail.split('/'));
  for (const folder of folders(root, '', base.split('/'))) {
    for (const tail of split) {
      for (const key of folders(root, folder, tail)) look(root, key, found);
    }
  }
  return found;
}

async function listed(store: Store, base: string, tails: readonly string[]): Promise<Listed[]> {
  const shape = new RegExp(`^${pattern(base)}/(${tails.map(pattern).join('|')})$`);
  const found: Listed[] = [];
  for await (const one of store.list(base.split('*')[0]!)) if (shape.test(one.key)) found.push(one);
  return found;
}

/** `*` as a segment without a slash; every other sign as itself. */
function pattern(text: string): string {
  return text.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]+');
}

/** Paths below the root that `segments` stand for; they need not exist when the last segments hold no `*`. */
function folders(root: string, folder: string, segments: readonly string[]): string[] {
  const star = segments.indexOf('*');
  const fixed = (star === -1 ? segments : segments.slice(0, star)).join('/');
  const inside = folder === '' || fixed === '' ? folder + fixed : `${folder}/${fixed}`;
  if (star === -1) return [inside];
  return namesIn(`${root}/${inside}`).flatMap((name) =>
    folders(root, `${inside}/${name}`, segments.slice(star + 1)),
  );
}

function look(root: string, key: string, found: Listed[]): void {
  const stats = statSync(`${root}/${key}`, { throwIfNoEntry: false });
  if (stats?.isFile()) found.push({ key, bytes: stats.size, modifiedAt: stats.mtime });
}

/** Nothing for a folder that is not there: asking first is cheaper than an error. */
function namesIn(path: string): string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(path).filter((name) => !name.startsWith('.'));
}
