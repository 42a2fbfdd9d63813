/** Shows a batch scoring as it goes: one line that changes on a terminal, a line every five seconds in a log, JSON for machines. */
import { fileURLToPath } from 'node:url';
import type { ScoreOutcome } from '../contracts/score.ts';
import type { Esteira } from './index.ts';
import { counted, exitCodes, say, seconds } from './output.ts';
import { scoreLook, scoreOutcome } from './score.ts';
import type { ScoreLook } from './score.ts';

const lookMs = 500;
const logMs = 5_000;
/** A speed measured over less than this tells nothing. */
const leastMs = 1_000;

/** Ctrl-C leaves the run going. @throws Error in one sentence when it failed */
export async function followScore(esteira: Esteira, scoreId: string, json: boolean): Promise<void> {
  const interruption = new AbortController();
  const onInterrupt = () => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    interruption.abort();
  };
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt);
  const screen = new Screen(json);
  const began = performance.now();
  try {
    while (!interruption.signal.aborted) {
      const look = await scoreLook(esteira, scoreId);
      screen.show(look);
      if (look.closed) {
        screen.clear();
        return ended(await scoreOutcome(esteira, scoreId), scoreId, began, json);
      }
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    screen.clear();
    const hint = `the same command follows it again, \`esteira cancel ${scoreId}\` stops it`;
    say(json, { scoreId, interrupted: true }, `${scoreId} goes on without you; ${hint}`);
    process.exitCode = exitCodes.interrupted;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

function ended(outcome: ScoreOutcome, scoreId: string, began: number, json: boolean): void {
  const took = (performance.now() - began) / 1_000;
  const { rows, parts, found, rowsWithoutPrediction, model, version, output } = outcome;
  const lines = [
    `${whole(rows)} rows scored by ${model}/${version} in ${seconds(took)}: ${counted(parts, 'part')} in ${shown(output)}`,
    ...(found > 0 ? [`${counted(found, 'part')} ${found === 1 ? 'was' : 'were'} there already`] : []),
    ...(rowsWithoutPrediction > 0
      ? [`${whole(rowsWithoutPrediction)} rows have no prediction: the model gives no finite number for them`]
      : []),
  ];
  say(json, { scoreId, outcome }, lines.join('\n'));
}

const shown = (output: string) => (output.startsWith('file:') ? fileURLToPath(output) : output);
const whole = (value: number) => Math.round(value).toLocaleString('en-US');

/** `131,072 of 3,000,000 rows, 410,000 rows/s, 7.0 s left` */
export class Speed {
  #first: { rows: number; at: number } | undefined;

  text(look: ScoreLook, now = Date.now()): string {
    const { trouble } = look;
    return `${this.#work(look, now)}${trouble ? ` (tried again: ${trouble.slice(0, 100)})` : ''}`;
  }

  #work({ progress, underway, doing }: ScoreLook, now: number): string {
    const { state, of } = progress;
    if (state === 'reading') return doing ?? 'reading the inputs';
    if (state === 'closing') return 'writing the manifest';
    const rows = Math.min(of, progress.rows + underway);
    this.#first ??= { rows, at: now };
    const parts = [`${whole(rows)} of ${whole(of)} rows`];
    const ms = now - this.#first.at;
    const speed = ms < leastMs ? 0 : ((rows - this.#first.rows) / ms) * 1_000;
    if (speed > 0) parts.push(`${whole(speed)} rows/s`);
    if (speed > 0 && of > rows) parts.push(`${seconds((of - rows) / speed)} left`);
    return parts.join(', ');
  }
}

class Screen {
  readonly #manner: 'terminal' | 'lines' | 'json';
  readonly #speed = new Speed();
  #last = '';
  #saidAt = Date.now();

  constructor(json: boolean) {
    this.#manner = json ? 'json' : process.stdout.isTTY ? 'terminal' : 'lines';
  }

  show(look: ScoreLook): void {
    const { progress, underway, trouble, closed } = look;
    if (this.#manner === 'json') {
      const { request: _, ...about } = progress;
      const line = JSON.stringify({ ...about, underway, ...(trouble && { trouble }), closed });
      if (line !== this.#last) process.stdout.write(`${line}\n`);
      this.#last = line;
      return;
    }
    if (closed) return;
    const text = `${progress.scoreId}: ${this.#speed.text(look)}`;
    if (this.#manner === 'terminal') process.stdout.write(`\r\u001b[K${text}`);
    else if (Date.now() - this.#saidAt > logMs) {
      this.#saidAt = Date.now();
      process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
    }
  }

  clear(): void {
    if (this.#manner === 'terminal') process.stdout.write('\r\u001b[K');
  }
}
