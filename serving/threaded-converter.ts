/** A converter on a thread of its own, which is given back, with its memory, when it is closed. */
import type { DuckDbOptions } from '../infra/duckdb.ts';
import type { Converter, Part } from './converter.ts';
import { startThread } from './threaded.ts';

type Message = { parts: Part[] } | { fault: string };

export async function openThreadedConverter(options: DuckDbOptions): Promise<Converter> {
  const program = new URL('./converter-thread.ts', import.meta.url);
  const worker = startThread(program, options);
  let pending: { resolve(parts: Part[]): void; reject(error: unknown): void } | undefined;
  let died: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    const end = (error: Error) => {
      died ??= error;
      pending?.reject(died);
      resolve();
    };
    worker.on('error', end).on('exit', (code) => end(new Error(`the thread of the log ended with ${code}`)));
  });
  worker.on('message', (message: Message) => {
    if ('fault' in message) pending?.reject(new Error(message.fault));
    else pending?.resolve(message.parts);
    pending = undefined;
  });
  const answer = () =>
    new Promise<Part[]>((resolve, reject) => {
      if (died) return reject(died);
      pending = { resolve, reject };
    });
  await answer(); // that it is there
  return {
    convert(path, header) {
      const parts = answer();
      worker.postMessage({ path, header });
      return parts;
    },
    async close() {
      worker.postMessage('close');
      await ended;
    },
  };
}
