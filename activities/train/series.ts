/** A training's metrics by step, as they come: what curves are drawn from. */
import type { Series } from '../../contracts/experiment.ts';

/** Beyond this every other point of a metric goes, and from then on every other that comes: the shape stays. */
const pointsAtMost = 4_000;
/** A trainer that makes up names must not fill the memory. */
const metricsAtMost = 200;

interface Line {
  step: number[];
  value: number[];
  seconds: number[];
  /** Of how many that come one is kept. */
  stride: number;
  passed: number;
  last: number;
}

export class SeriesRecorder {
  readonly #lines = new Map<string, Line>();
  readonly #now: () => number;
  readonly #startedAt: number;

  constructor(now = () => Date.now()) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** Numbers that are not finite have no form in JSON, and say nothing on a curve. */
  add(name: string, step: number, value: number): void {
    if (!Number.isFinite(value) || !Number.isFinite(step)) return;
    let line = this.#lines.get(name);
    if (!line) {
      if (this.#lines.size >= metricsAtMost) return;
      line = { step: [], value: [], seconds: [], stride: 1, passed: 0, last: value };
      this.#lines.set(name, line);
    }
    line.last = value;
    if (line.passed++ % line.stride !== 0) return;
    const last = line.step.length - 1;
    // An attempt that goes on from a checkpoint repeats some steps: the later word counts.
    if (line.step[last] === step) line.value[last] = value;
    else {
      line.step.push(step);
      line.value.push(value);
      line.seconds.push((this.#now() - this.#startedAt) / 1_000);
    }
    if (line.step.length >= pointsAtMost) halve(line);
  }

  /** The last value of a metric. */
  last(name: string): number | undefined {
    return this.#lines.get(name)?.last;
  }

  all(): Series {
    return Object.fromEntries(
      [...this.#lines].map(([name, { step, value, seconds }]) => [name, { step, value, seconds }]),
    );
  }
}

function halve(line: Line): void {
  const even = (values: number[]) => values.filter((_, i) => i % 2 === 0);
  Object.assign(line, { step: even(line.step), value: even(line.value), seconds: even(line.seconds) });
  line.stride *= 2;
}
