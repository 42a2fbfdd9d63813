/** Keeps everybody else from writing one key of a file store, for as long as a test wants. */
import { fileURLToPath } from 'node:url';
import { withLock } from '../../infra/store/lock.ts';

/** @returns what lets go */
export async function hold(storeUri: string, key: string): Promise<() => Promise<void>> {
  let letGo!: () => void;
  const released = new Promise<void>((resolve) => (letGo = resolve));
  let whole!: Promise<void>;
  await new Promise<void>((taken, failed) => {
    whole = withLock(fileURLToPath(storeUri), key, () => {
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
