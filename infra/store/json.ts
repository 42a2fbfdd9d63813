/** JSON in the store: canonical, so that equal values are equal bytes and have one digest. */
import type { z } from 'zod';
import type { Artifact } from '../../contracts/artifact.ts';
import { parse, permanent } from '../../contracts/failures.ts';
import type { Store } from './store.ts';

/** Keys sorted, no spaces, `undefined` members left out, one final newline. @throws InvalidInput on NaN or an infinity */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(sorted(value))}\n`;
}

/** @returns undefined when the key does not exist. @throws InvalidInput when it does not fit the schema */
export async function readJson<S extends z.ZodType>(
  store: Store,
  key: string,
  schema: S,
): Promise<{ value: z.infer<S>; etag: string; bytes: number } | undefined> {
  const found = await store.read(key);
  return found && { value: parseJson(schema, found.bytes, key), etag: found.etag, bytes: found.bytes.length };
}

/** @returns false when the key existed, and was left as it is */
export async function createJson(store: Store, key: string, value: unknown): Promise<boolean> {
  return store.create(key, canonicalJson(value), 'application/json');
}

/** @returns the new etag, or undefined when somebody else was first */
export async function swapJson(
  store: Store,
  key: string,
  value: unknown,
  etag: string | undefined,
): Promise<string | undefined> {
  return store.swap(key, canonicalJson(value), etag);
}

export async function putJsonBlob(store: Store, value: unknown): Promise<Artifact> {
  return store.putBlob(canonicalJson(value), 'application/json');
}

/** @throws DigestMismatch, NotFound, or InvalidInput when it does not fit the schema */
export async function readJsonBlob<S extends z.ZodType>(
  store: Store,
  artifact: Artifact,
  schema: S,
): Promise<z.infer<S>> {
  return parseJson(schema, await readBytes(store, artifact), artifact.uri);
}

/** The whole blob in memory. @throws DigestMismatch, NotFound */
export async function readBytes(store: Store, artifact: Artifact): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.readBlob(artifact)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parseJson<S extends z.ZodType>(schema: S, bytes: Uint8Array, key: string): z.infer<S> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw permanent('InvalidInput', `${key} is not JSON: ${String(error)}`, { issues: [key] });
  }
  return parse(schema, value);
}

function sorted(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw permanent('InvalidInput', `${value} has no form in JSON`, { issues: [String(value)] });
  }
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
