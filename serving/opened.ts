/** A session that is open and proved, on the thread that suits it. */
import type { Ports } from '../contracts/serving.ts';
import { failpoint } from '../infra/failpoint.ts';
import { openChecked } from '../infra/onnx/open.ts';
import type { Feed } from '../infra/onnx/session.ts';
import type { Run } from './lane.ts';
import { LastingThread } from './lasting-thread.ts';
import type { OneThread } from './one-thread.ts';
import { openThreaded } from './threaded.ts';

/** A batch that takes longer than this, in ms, has a thread of its own. */
const heavyMs = 2;
/** The quickest counts: the first run of a session is slow, and others work beside it. */
const measuredRuns = 4;

export interface Opened {
  run: Run;
  /** Absent where nothing can go wrong that would last. */
  fault?: () => string | undefined;
  close(): Promise<void>;
}

interface Opening {
  /** Of the verified file. */
  path(): Promise<string>;
  signature: Ports;
  thread: OneThread;
  /** A batch of the most rows. */
  full: readonly Feed[];
  /** Rejects unless the model answers as it did when it was evaluated. */
  prove(run: Run): Promise<void>;
  onFault(error: unknown): void;
}

/** Opened and proved: on the main thread if its batches are short, else on one of its own. */
export async function openFast({ path, signature, thread, full, prove, onFault }: Opening): Promise<Opened> {
  const file = await path();
  await failpoint('serving:fetched');
  const { model } = await openChecked(file, signature);
  let leastMs = Infinity;
  const measured: Run = async (feeds) => {
    const started = performance.now();
    const outputs = await model.infer(feeds);
    leastMs = Math.min(leastMs, performance.now() - started);
    return outputs;
  };
  const light: Opened = { run: thread.share(model.infer), close: model.close };
  const isLight = await proved(light, async () => {
    await failpoint('serving:loaded');
    for (let i = 0; i < measuredRuns && leastMs > heavyMs; i++) await thread.share(measured)(full);
    if (leastMs <= heavyMs) await prove(light.run);
    return leastMs <= heavyMs;
  });
  if (isLight) return light;
  await light.close();
  const open = async () => {
    const threaded = await openThreaded(await path(), signature);
    await proved(threaded, () => prove(threaded.run));
    return threaded;
  };
  return new LastingThread(await open(), open, onFault);
}

/** What fails is closed: a session that nobody holds would stay in memory for ever. */
async function proved<T>(opened: Pick<Opened, 'close'>, proof: () => Promise<T>): Promise<T> {
  try {
    return await proof();
  } catch (error) {
    await opened.close();
    throw error;
  }
}
