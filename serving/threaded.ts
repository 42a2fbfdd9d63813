/**
 * A model on a thread of its own, for those whose batches would hold up the event loop. It costs some 20 µs a run and a
 * copy of what goes in and out, and the memory of another isolate.
 */
import { Worker } from 'node:worker_threads';
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
/** The loader that our processes have is their main thread's only: see `infra/child-loader.mjs`. */
const loader = program.pathname.endsWith('.ts')
  ? ['--import', new URL('../infra/thread-loader.mjs', import.meta.url).href]
  : [];

/** @param path of the model. @throws what opening it throws */
export async function openThreaded(path: string, signature: Ports): Promise<Threaded> {
  const worker = new Worker(program, { workerData: { path, signature }, execArgv: loader });
  let pending: { resolve(outputs: Feed[]): void; reject(error: unknown): void } | undefined;
  let died: Error | undefined;
  const ended = new Promise<Error>((resolve) => {
    const end = (error: Error) => {
      died ??= error;
      pending?.reject(died);
      pending = undefined;
      resolve(died);
    };
    worker.on('error', end).on('exit', (code) => end(new Error(`the thread of a model ended with ${code}`)));
  });
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
  return {
    run: (feeds) =>
      new Promise((resolve, reject) => {
        if (died) return reject(died);
        pending = { resolve, reject };
        worker.postMessage(feeds);
      }),
    close: async () => void (await worker.terminate()),
    ended,
  };
}
