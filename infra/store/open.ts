/** Opens the store that a URI names. */
import type { Store } from './store.ts';

/**
 * @param uri `file:///folder`, or `s3://bucket/prefix` with optional `?endpoint=…&region=…`
 * @param cacheDir where an S3 store keeps verified downloads and spools uploads
 * @throws Error when an S3 endpoint is not reachable or fails the probe for conditional writes
 */
export async function openStore(uri: string, { cacheDir }: { cacheDir: string }): Promise<Store> {
  if (uri.startsWith('file:')) {
    const { openFileStore } = await import('./file.ts');
    return openFileStore(uri);
  }
  // Loaded only when asked for: the AWS client costs 200 ms of start.
  const { openS3Store } = await import('./s3.ts');
  const { probe } = await import('./probe.ts');
  const store = openS3Store(uri, cacheDir);
  await probe(store);
  return store;
}
