/**
 * Shows a lifecycle as it goes: a live tree on a terminal, plain lines in a log, JSON lines for
 * machines.
 */
import { Listr } from 'listr2';
import type { ListrTaskWrapper, DefaultRenderer, SimpleRenderer } from 'listr2';
import { stageNames } from '../contracts/lifecycle.ts';
import type { StageName } from '../contracts/lifecycle.ts';
import type { Esteira, Look } from './index.ts';
import { seconds } from './output.ts';

/** The stages that one lifecycle walks; monitor and retrain come after it. */
const walked = stageNames.slice(0, 7);

export type Manner = 'tree' | 'lines' | 'json';

export function mannerOf(json: boolean): Manner {
  if (json) return 'json';
  return process.stdout.isTTY ? 'tree' : 'lines';
}

/** @returns the last look, when the run is over. */
export async function follow(esteira: Esteira, lifecycleId: string, manner: Manner): Promise<Look> {
  const looks = esteira.watch(lifecycleId);
  if (manner === 'tree') return tree(lifecycleId, looks);
  let last: Look | undefined;
  const lines = new Lines();
  for await (const look of looks) {
    if (manner === 'json') process.stdout.write(`${JSON.stringify(look)}\n`);
    else lines.show(look);
    last = look;
  }
  return last!;
}

/** What the activity at work says of itself: `step 120/400, train_loss 0.4312, 12 s left`. */
function workText({ working }: Look, since: number): string {
  if (!working) return '';
  const parts: string[] = [];
  const { step, steps, metrics, rows, of } = working as Record<string, number> & {
    metrics?: Record<string, number>;
  };
  if (step !== undefined && steps !== undefined) {
    parts.push(`step ${Math.round(step)}/${Math.round(steps)}`);
    const left = (((Date.now() - since) / Math.max(step, 1)) * (steps - step)) / 1_000;
    if (step > 0 && steps > step && Date.now() - since > 2_000) parts.push(`${seconds(left)} left`);
  }
  for (const [name, value] of Object.entries(metrics ?? {})) parts.push(`${name} ${value.toFixed(4)}`);
  if (rows !== undefined) {
    const past = (Date.now() - since) / 1_000;
    parts.push(`${rows.toLocaleString('en-US')}${of ? ` of ${of.toLocaleString('en-US')}` : ''} rows`);
    if (past > 1) parts.push(`${Math.round(rows / past).toLocaleString('en-US')}/s`); // less tells nothing yet
  }
  return parts.join(', ');
}

/** A line when something happens; while something goes on, at most one every five seconds. */
export class Lines {
  #done = 0;
  #waitsFor: string | null = null;
  #lastWork = 0;
  #since = Date.now();

  show(look: Look): void {
    const { done, stage, waitsFor, outcome } = look.progress;
    for (const one of done.slice(this.#done)) {
      this.#print(`${one.stage.padEnd(8)} ${one.result} (${seconds(one.seconds)})`);
      this.#since = Date.now();
    }
    if (done.length > this.#done) this.#lastWork = Date.now(); // a new stage: let it get going first
    this.#done = done.length;
    if (waitsFor !== this.#waitsFor && waitsFor) this.#print(`${stage.padEnd(8)} waits for ${waitsFor}`);
    this.#waitsFor = waitsFor;
    const work = workText(look, this.#since);
    if (work && Date.now() - this.#lastWork > 5_000) {
      this.#lastWork = Date.now();
      this.#print(`${stage.padEnd(8)} ${work}`);
    }
    if (outcome) this.#print(`done     ${outcome}`);
  }

  #print(text: string): void {
    process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
  }
}

type Task = ListrTaskWrapper<object, typeof DefaultRenderer, typeof SimpleRenderer>;

async function tree(lifecycleId: string, looks: AsyncIterable<Look>): Promise<Look> {
  let latest: Look | undefined;
  const waiting = new Map<StageName, { task: Task; end: () => void }>();
  let over = false;
  const stages = walked.map((name) => ({
    title: name,
    task: (_: object, task: Task) =>
      new Promise<void>((end) => {
        waiting.set(name, { task, end });
        refresh();
      }),
  }));
  const since = new Map<StageName, number>();
  const refresh = (): void => {
    if (!latest) return;
    const { done, stage, waitsFor } = latest.progress;
    for (const [name, { task, end }] of waiting) {
      const ended = done.find((one) => one.stage === name);
      if (ended) {
        task.title = `${name.padEnd(8)} ${ended.result} (${seconds(ended.seconds)})`;
        waiting.delete(name);
        end();
      } else if (over) {
        task.skip(`${name} was not reached`);
        waiting.delete(name);
        end();
      } else if (name === stage) {
        if (!since.has(name)) since.set(name, Date.now());
        task.output = waitsFor ? `waits for ${waitsFor}` : workText(latest, since.get(name)!);
      }
    }
  };
  const watching = (async () => {
    for await (const look of looks) {
      latest = look;
      refresh();
    }
    over = true;
    refresh();
  })();
  process.stdout.write(`${lifecycleId}\n`);
  await new Listr(stages, { concurrent: false, registerSignalListeners: false }).run();
  await watching;
  return latest!;
}
