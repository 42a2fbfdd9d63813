/** Keeps everybody else from writing one key of a file store, for as long as a test wants. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256 } from '../../infra/digest.ts';
import { withLock } from '../../infra/store/lock.ts';

/** @returns what lets go */
export async function hold(storeUri: string, key: string): Promise<() => Promise<void>> {
  const folder = join(fileURLToPath(storeUri), '.locks', sha256(key).slice(0, 32));
  let letGo!: () => void;
  const released = new Promise<void>((resolve) => (letGo = resolve));
  let whole!: Promise<void>;
  await new Promise<void>((taken, failed) => {
    whole = withLock(folder, () => {
      taken();
      return released;
    });
    whole.catch(failed);
  });
  return async () => {
    letGo();
    await whole;
  };
}
