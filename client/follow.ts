/**
 * Shows a lifecycle as it goes: a live tree on a terminal, plain lines in a log, JSON lines for
 * machines.
 */
import { stageNames } from '../contracts/stage.ts';
import type { StageName } from '../contracts/stage.ts';
import { requestIdOf } from '../contracts/search.ts';
import type { Esteira, Look } from './index.ts';
import { seconds } from './output.ts';
import { Work } from './work.ts';

/** The stages that one lifecycle walks; monitor and retrain come after it. */
export const walked = stageNames.slice(0, 7);

/** What a stage is for, in words of people who see it for the first time. */
export const meaning: Readonly<Record<StageName, string>> = {
  ingest: 'read the sources, freeze a dataset version',
  validate: 'check the data',
  prepare: 'split the rows, fit the features',
  train: 'fit the model',
  evaluate: 'score it on rows it never saw, judge the gates',
  approve: 'ask those who decide',
  deploy: 'register it, let it take traffic step by step',
  monitor: 'compare what it sees with what it learned from',
  retrain: 'ask for a new lifecycle',
};

export type Manner = 'tree' | 'lines' | 'json';

export function mannerOf(json: boolean): Manner {
  if (json) return 'json';
  return process.stdout.isTTY ? 'tree' : 'lines';
}

/** @returns the last look: a closed one, unless `signal` came first. */
export async function follow(
  esteira: Esteira,
  lifecycleId: string,
  manner: Manner,
  signal?: AbortSignal,
): Promise<Look | undefined> {
  const looks = esteira.watch(lifecycleId, 500, signal);
  if (manner === 'tree') {
    const { tree } = await import('./tree.ts'); // listr2 costs 0.2 s of start, and most commands show no tree
    return tree(lifecycleId, looks);
  }
  let last: Look | undefined;
  const lines = new Lines();
  for await (const look of looks) {
    if (manner === 'json') process.stdout.write(`${JSON.stringify(look)}\n`);
    else lines.show(look);
    last = look;
  }
  return last;
}

/** How to answer what a run waits for. */
export function hintOf({ progress }: Look): string {
  if (!progress.waitsFor?.startsWith('approval')) return '';
  const requestId = requestIdOf(progress.lifecycleId);
  return `esteira approve ${requestId} --reason "…"   (or reject; the report: esteira approvals)`;
}

/** A line when something happens; while something goes on, at most one every five seconds. */
export class Lines {
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  readonly #work = new Work();
  #done = 0;
  #waitsFor: string | null = null;
  #lastWork = 0;
  #over = false;

  constructor(write = (text: string) => void process.stdout.write(text), now = () => Date.now()) {
    this.#write = write;
    this.#now = now;
    this.#lastWork = now();
  }

  show(look: Look): void {
    const { done, stage, waitsFor, outcome } = look.progress;
    for (const one of done.slice(this.#done))
      this.#print(one.stage, `${one.result} (${seconds(one.seconds)})`);
    if (done.length > this.#done) this.#lastWork = this.#now(); // a new stage: let it get going first
    this.#done = done.length;
    if (waitsFor !== this.#waitsFor && waitsFor) {
      this.#print(stage, `waits for ${waitsFor}`);
      if (hintOf(look)) this.#print('', hintOf(look));
    }
    this.#waitsFor = waitsFor;
    const work = this.#work.text(look, this.#now());
    if (work && this.#now() - this.#lastWork > 5_000) {
      this.#lastWork = this.#now();
      this.#print(stage, work);
    }
    if (outcome && !this.#over) this.#print('done', outcome);
    this.#over = outcome !== null;
  }

  #print(stage: string, text: string): void {
    const time = new Date(this.#now()).toISOString().slice(11, 19);
    this.#write(`${time} ${stage.padEnd(8)} ${text}\n`);
  }
}
