import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Looks again after a twentieth of the time waited so far: a look at a workflow keeps a server and a worker busy, too, and
 * what is looked for would come the later for it.
 *
 * @param atMostMs between two looks: less for what passes quickly
 * @throws Error after 10 minutes: a poll that outlived its test would keep the whole file's process alive
 */
export async function until(holds: () => Promise<boolean> | boolean, atMostMs = 250): Promise<void> {
  const started = Date.now();
  while (!(await holds())) {
    const waited = Date.now() - started;
    if (waited > 600_000) throw new Error(`never came true: ${holds.toString()}`);
    await sleep(Math.min(atMostMs, Math.max(20, waited / 20)));
  }
}
