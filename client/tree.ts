/** The live tree of a terminal: one line a stage, and under the one at work what it does. */
import { Listr } from 'listr2';
import type { DefaultRenderer, ListrTaskWrapper, SimpleRenderer } from 'listr2';
import type { StageName } from '../contracts/stage.ts';
import { hintOf, meaning, walked } from './follow.ts';
import type { Look } from './index.ts';
import { seconds } from './output.ts';
import { Work } from './work.ts';

type Task = ListrTaskWrapper<object, typeof DefaultRenderer, typeof SimpleRenderer>;

/** A clock that runs down must be seen to, although nothing else changes. */
const tickMs = 1_000;

/** @returns the last look; the tree stands as it was when the looks ended. */
export async function tree(lifecycleId: string, looks: AsyncIterable<Look>): Promise<Look | undefined> {
  const board = new Board();
  const stages = walked.map((name) => ({
    title: titleOf(name, meaning[name]),
    task: (_: object, task: Task) => board.waitFor(name, task),
  }));
  process.stdout.write(`${lifecycleId}\n`);
  const shown = new Listr(stages, {
    concurrent: false,
    registerSignalListeners: false,
    exitOnError: false,
  }).run();
  const ticking = setInterval(() => board.refresh(), tickMs);
  try {
    for await (const look of looks) board.see(look);
  } finally {
    clearInterval(ticking);
    board.close();
    await shown;
  }
  return board.latest;
}

function titleOf(name: StageName, text: string): string {
  return `${name.padEnd(8)}  ${text}`;
}

/** Which stages have not ended yet, and what is known of them. */
class Board {
  latest: Look | undefined;
  readonly #open = new Map<StageName, { task: Task; end: () => void }>();
  readonly #work = new Work();
  #closed = false;

  /** Listr calls this for one stage after the other. */
  waitFor(name: StageName, task: Task): Promise<void> {
    return new Promise((end) => {
      this.#open.set(name, { task, end });
      this.refresh();
    });
  }

  see(look: Look): void {
    this.latest = look;
    this.refresh();
  }

  close(): void {
    this.#closed = true;
    this.refresh();
  }

  refresh(): void {
    for (const [name, { task, end }] of this.#open) {
      if (!this.#draw(name, task)) continue;
      this.#open.delete(name);
      end();
    }
  }

  /** @returns true when there is nothing more to come for this stage */
  #draw(name: StageName, task: Task): boolean {
    const { progress } = this.latest ?? {};
    const ended = progress?.done.find((one) => one.stage === name);
    if (ended) {
      task.title = titleOf(name, `${ended.result || 'done'} (${seconds(ended.seconds)})`);
      return true;
    }
    if (this.#closed) {
      task.skip(titleOf(name, this.#unended(progress?.stage === name)));
      return true;
    }
    if (progress?.stage === name) task.output = this.#doing(this.latest!);
    return false;
  }

  #unended(entered: boolean): string {
    if (this.latest?.closed) return entered ? 'did not end' : 'was not reached';
    return entered ? 'goes on' : 'comes later';
  }

  #doing(look: Look): string {
    const { waitsFor } = look.progress;
    if (waitsFor === null) return this.#work.text(look);
    return [`waits for ${waitsFor}`, hintOf(look)].filter(Boolean).join('\n');
  }
}
