/** Opens the store that a URI names. */
import type { Store } from './store.ts';

export interface StoreOptions {
  /** Where an S3 store keeps verified downloads and spools uploads. */
  cacheDir: string;
  /** How long an S3 server may be silent before a request counts as lost; 20 s if left out. */
  idleMs?: number;
  /** Nothing will be written: what promotions rely on is not tried out, for that takes the right to write. */
  readOnly?: boolean;
}

/**
 * @param uri `file:///folder`, or `s3://bucket/prefix` with optional `?endpoint=…&region=…`
 * @throws Error when it is not reachable, or does not keep what promotions rely on: conditional writes, or hard links
 */
export async function openStore(uri: string, { cacheDir, idleMs, readOnly }: StoreOptions): Promise<Store> {
  if (uri.startsWith('file:')) {
    const { openFileStore } = await import('./file.ts');
    return openFileStore(uri);
  }
  // Loaded only when asked for: the AWS client costs 200 ms of start.
  const { openS3Store } = await import('./s3.ts');
  const { probe } = await import('./probe.ts');
  const store = openS3Store(uri, cacheDir, idleMs);
  try {
    if (!readOnly) await probe(store);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
