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
}

/** @param path of the model. @throws what opening it throws */
export async function openThreaded(path: string, signature: Ports): Promise<Threaded> {
  const worker = new Worker(new URL('./lane-thread.ts', import.meta.url), {
    workerData: { path, signature },
  });
  let pending: { resolve(outputs: Feed[]): void; reject(error: unknown): void } | undefined;
  let died: unknown;
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message: Message) => {
      if ('ready' in message) return resolve();
      const { resolve: done, reject: failed } = pending!;
      pending = undefined;
      if ('fault' in message) failed(new ModelFault(message.fault));
      else done(message.outputs);
    });
    const end = (error: unknown) => {
      died = error;
      reject(error);
      pending?.reject(error);
    };
    worker.on('error', end).on('exit', (code) => end(new Error(`the thread of a model ended with ${code}`)));
  });
  return {
    run: (feeds) =>
      new Promise((resolve, reject) => {
        if (died !== undefined) return reject(died);
        pending = { resolve, reject };
        worker.postMessage(feeds);
      }),
    close: async () => void (await worker.terminate()),
  };
}
