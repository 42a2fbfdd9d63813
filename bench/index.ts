/**
 * `npm run bench`: measures what the product promises, on this machine, and says which promises hold.
 *
 * `npm run bench -- steps serving` measures only these. Numbers are of one machine at one time: they are written
 * to `.esteira/bench.json` to be compared with others of the same machine, and no test depends on them.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drift } from './drift.ts';
import { flights } from './flights.ts';
import { gateway } from './gateway.ts';
import { gpu } from './gpu.ts';
import { driftAlarms } from './drift-alarms.ts';
import { guard } from './guard.ts';
import { table } from './row.ts';
import type { Row } from './row.ts';
import { models } from './models.ts';
import { overhead } from './overhead.ts';
import { rolling } from './rolling.ts';
import { runs } from './runs.ts';
import { score } from './score.ts';
import { search } from './search.ts';
import { serving } from './serving.ts';
import { start } from './start.ts';
import { steps } from './steps.ts';
import { ticks } from './ticks.ts';
import { training } from './training.ts';

/** Each is given an empty folder. */
const measurements: Record<string, (home: string) => Promise<Row[]>> = {
  steps,
  start,
  serving,
  gateway,
  rolling,
  models,
  runs,
  score,
  search,
  drift,
  training,
  overhead,
  gpu,
  guard,
  ticks,
  'drift-alarms': driftAlarms,
  flights,
};

const asked = process.argv.slice(2);
const names = asked.length > 0 ? asked : Object.keys(measurements);
const unknown = names.filter((name) => !(name in measurements));
if (unknown.length > 0) {
  console.error(`no measurement ${unknown.join(', ')}; there are ${Object.keys(measurements).join(', ')}`);
  process.exit(2);
}

const rows: Row[] = [];
for (const name of names) {
  console.log(`${name} …`);
  const home = await mkdtemp(join(tmpdir(), `esteira-bench-${name}-`));
  try {
    rows.push(...(await measurements[name]!(home)));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
const machine = `${availableParallelism()} × ${cpus()[0]?.model.trim()}, Node ${process.version}`;
console.log(`\n${machine}\n\n${table(rows)}`);
const path = fileURLToPath(new URL('../.esteira/bench.json', import.meta.url));
await mkdir(join(path, '..'), { recursive: true });
await writeFile(path, `${JSON.stringify({ at: new Date().toISOString(), machine, rows }, null, 2)}\n`);
