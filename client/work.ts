/** What the activity at work says of itself, in words, with its speed and the time that is left. */
import type { StageName } from '../contracts/stage.ts';
import type { Look } from './index.ts';
import { seconds } from './output.ts';

/** A speed measured over less than this tells nothing. */
const leastMs = 1_500;

/**
 * `step 120 of 400, train_loss 0.4312, 12.0 s left`. Speed counts from the first look at a stage, not from its
 * beginning: who joins a run half way sees how fast it goes now.
 */
export class Work {
  #first: { stage: StageName | 'done'; of: string; amount: number; at: number } | undefined;

  text({ progress, working }: Look, now = Date.now()): string {
    if (!working) return '';
    const { doing, until, step, steps, metrics, rows, of, device, use } = working as Reported;
    const parts = doing ? [doing] : [];
    if (until !== undefined) parts.push(...left(Date.parse(until) - now));
    if (step !== undefined && steps) {
      const speed = this.#speed(progress.stage, doing ?? '', step, now);
      parts.push(`step ${whole(step)} of ${whole(steps)}`);
      for (const [name, value] of Object.entries(metrics ?? {})) parts.push(`${name} ${short(value)}`);
      if (device !== undefined && device !== 'cpu') parts.push(`on ${device}`);
      if (use)
        parts.push(`device ${Math.round(use.utilization * 100)} % busy, ${gigabytes(use.memoryBytes)}`);
      if (speed > 0 && steps > step) parts.push(...left(((steps - step) / speed) * 1_000));
    }
    if (rows !== undefined) {
      const speed = this.#speed(progress.stage, doing ?? '', rows, now);
      parts.push(`${whole(rows)}${of ? ` of ${whole(of)}` : ''} rows`);
      if (speed > 0) parts.push(`${whole(speed)} rows/s`);
      if (speed > 0 && of && of > rows) parts.push(...left(((of - rows) / speed) * 1_000));
    }
    return parts.join(', ');
  }

  /** @returns units a second, 0 while that is unknown */
  #speed(stage: StageName | 'done', of: string, amount: number, now: number): number {
    const first = this.#first;
    if (first?.stage !== stage || first.of !== of || amount < first.amount) {
      this.#first = { stage, of, amount, at: now };
      return 0;
    }
    return now - first.at < leastMs ? 0 : ((amount - first.amount) / (now - first.at)) * 1_000;
  }
}

/** Heartbeats of the stages, and of a rollout; each says some of this. */
interface Reported {
  doing?: string;
  /** When it will be over. */
  until?: string;
  step?: number;
  steps?: number;
  metrics?: Record<string, number>;
  rows?: number;
  of?: number;
  device?: string;
  use?: { utilization: number; memoryBytes: number };
}

function left(ms: number): string[] {
  return ms > 0 ? [`${seconds(ms / 1_000)} left`] : [];
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function short(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}
