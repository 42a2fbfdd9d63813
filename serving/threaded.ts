/**
 * A model on a thread of its own, for those whose batches would hold up the event loop. It costs some 20 µs a run and a
 * copy of what goes in and out, and the memory of another isolate.
 */
import { Worker } from 'node:worker_threads';
import { compiled } from '../infra/compiled.mjs';
import type { Ports } from '../contracts/serving.ts';
import { ModelFault } from '../infra/onnx/open.ts';
import type { Feed } from '../infra/onnx/session.ts';
import type { Run } from './lane.ts';

type Message = { ready: true } | { outputs: Feed[] } | { fault: string };

export interface Threaded {
  /** Not to be called again before it has resolved. */
  run: Run;
  close(): Promise<void>;
  /** Resolves when the thread has ended, with the reason: its own fault, or that it was closed. */
  ended: Promise<Error>;
}

const program = new URL('./lane-thread.ts', import.meta.url);

/** Through tsx where it is not compiled: the loader that our processes then have is their main thread's only. */
export function startThread(url: URL, workerData: unknown): Worker {
  const path = compiled(url);
  const loader = ['--import', new URL('../infra/thread-loader.mjs', import.meta.url).href];
  return new Worker(path ?? url, { workerData, execArgv: path === undefined ? loader : [] });
}

/** Far more than the largest request takes; what is not back by then never comes, and others wait behind it. */
const longestRunMs = 120_000;

/** @param path of the model. @throws what opening it throws */
export async function openThreaded(
  path: string,
  signature: Ports,
  limitMs = longestRunMs,
): Promise<Threaded> {
  const worker = startThread(program, { path, signature });
  let pending: { resolve(outputs: Feed[]): void; reject(error: unknown): void } | undefined;
  let died: Error | undefined;
  let end!: (error: Error) => void;
  const ended = new Promise<Error>((resolve) => {
    end = (error) => {
      died ??= error;
      pending?.reject(died);
      pending = undefined;
      resolve(died);
    };
  });
  worker.on('error', end).on('exit', (code) => end(new Error(`the thread of a model ended with ${code}`)));
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message: Message) => {
      if ('ready' in message) return resolve();
      const asked = pending;
      pending = undefined;
      if ('fault' in message) asked?.reject(new ModelFault(message.fault));
      else asked?.resolve(message.outputs);
    });
    void ended.then(reject);
  });
  /** It is not waited for: arithmetic under way cannot be interrupted, and perhaps never ends. */
  const abandon = () => {
    end(new Error(`the thread of a model has not answered for ${limitMs} ms`));
    void worker.terminate();
  };
  return {
    async run(feeds) {
      if (died) throw died;
      const timer = setTimeout(abandon, limitMs);
      try {
        return await new Promise((resolve, reject) => {
          pending = { resolve, reject };
          worker.postMessage(feeds);
        });
      } finally {
        clearTimeout(timer);
      }
    },
    close: async () => void (await worker.terminate()),
    ended,
  };
}
