/**
 * `npm run chaos -- --seed 7 --minutes 3`: users and accidents at once, then quiet, then the checker.
 *
 * The same seed on the same commit plans the same faults. `--liveness` (the default) waits until everything has come
 * to rest and judges all; `--safety` does not wait, and judges what must hold at any moment.
 */
import { appendFile, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { isUpstream } from './checker/histories.ts';
import { table } from './checker/table.ts';
import type { Outcome } from './run.ts';
import { chaos } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '3' },
    safety: { type: 'boolean', default: false },
    liveness: { type: 'boolean', default: false },
    /** Leaves the home where it is, to look into. */
    keep: { type: 'boolean', default: false },
    /** Takes one JSON line with the figures. */
    figures: { type: 'string' },
  },
});
const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
if (!Number.isInteger(seed) || !(minutes > 0) || (values.safety && values.liveness)) {
  console.error('usage: npm run chaos -- --seed <whole number> --minutes <number> [--safety|--liveness]');
  process.exit(2);
}

const outcome = await chaos(seed, minutes, values.safety ? 'safety' : 'liveness');
const { evidence, breaches, home, struck } = outcome;
console.log(table(evidence, breaches));
if (values.safety) console.log('\nI6 and I13 only hold at rest: they were not judged.');
console.log(`\nfailpoints that struck: ${struck.length}`);
if (values.figures) await appendFile(values.figures, `${figures(outcome)}\n`);
if (breaches.length > 0 || values.keep) console.log(`\nleft in ${home}`);
else await rm(home, { recursive: true, force: true });
process.exitCode = breaches.length > 0 ? 1 : 0;

function figures({ evidence, breaches, struck }: Outcome): string {
  const { disturbances, acknowledged, runs } = evidence;
  const faults = disturbances.filter(({ kind }) => !['cont', 'activity-unpause', 'failpoint'].includes(kind));
  return JSON.stringify({
    ...{
      seed,
      minutes,
      faults: faults.length + struck.length,
      acknowledged: acknowledged.length,
      runs: runs.length,
    },
    upstream: evidence.replays.filter(({ error }) => isUpstream(error)).length,
    breaches: breaches.map(({ invariant, claim }) => `${invariant}: ${claim}`),
  });
}
