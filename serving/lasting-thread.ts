/**
 * A thread that ends is opened again: what takes it down, its memory or a fault of the runtime, costs the requests that
 * were in it, and not the version.
 *
 * Between the end and the next opening there is a pause, which doubles while nothing is answered in between, so that a
 * model which dies of its first row does not keep a processor busy with being opened. Requests are sent away meanwhile.
 */
import type { Run } from './lane.ts';
import type { Opened } from './opened.ts';
import { Refusal } from '../infra/refusal.ts';
import type { Threaded } from './threaded.ts';

const pauseMs = 1_000;
const longestPauseMs = 30_000;

export class LastingThread implements Opened {
  readonly #open: () => Promise<Threaded>;
  readonly #onEnd: (error: unknown) => void;
  #thread: Threaded | undefined;
  #fault: string | undefined;
  /** Ends without an answer in between. */
  #ends = 0;
  #timer: NodeJS.Timeout | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;

  /**
   * @param open verified and proved, as the first one was
   * @param onEnd is told why a thread ended, or could not be opened again
   */
  constructor(first: Threaded, open: () => Promise<Threaded>, onEnd: (error: unknown) => void) {
    this.#open = open;
    this.#onEnd = onEnd;
    this.#use(first);
  }

  /** Why nothing can be answered now. */
  fault = (): string | undefined => this.#fault;

  run: Run = async (feeds) => {
    if (!this.#thread) throw new Refusal(503, 'the thread of this model has ended, and is opened again');
    const outputs = await this.#thread.run(feeds);
    this.#ends = 0;
    return outputs;
  };

  close = async (): Promise<void> => {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#opening;
    await this.#thread?.close();
  };

  #use(thread: Threaded): void {
    this.#thread = thread;
    this.#fault = undefined;
    void thread.ended.then((error) => {
      if (!this.#closed) this.#lost(error);
    });
  }

  #lost(error: unknown): void {
    this.#thread = undefined;
    this.#fault = `its thread ended: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`;
    this.#onEnd(error);
    const pause = Math.min(longestPauseMs, pauseMs * 2 ** this.#ends++);
    this.#timer = setTimeout(() => {
      this.#opening = this.#again();
    }, pause).unref();
  }

  async #again(): Promise<void> {
    try {
      const thread = await this.#open();
      if (this.#closed) await thread.close();
      else this.#use(thread);
    } catch (error) {
      if (!this.#closed) this.#lost(error);
    }
  }
}
