/**
 * One comparison in a process of its own: `drift-once.ts <request.json as text>`, as `esteira drift` runs it. Prints what it
 * found and what the process took, its start included.
 */
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { openDuckDb } from '../infra/duckdb.ts';
import { program } from '../workers/drift.ts';

interface Request {
  reference: string;
  current: string;
  fast: boolean;
  /** Instead of a comparison: where a summary of the reference goes. */
  summary?: string;
}

// Loading the engine belongs to the start: a worker has it loaded.
await (await openDuckDb({ memory: '200MB', threads: 1, spillDir: tmpdir() })).close();
const began = process.cpuUsage();
const { summary, ...request } = JSON.parse(process.argv.at(-1)!) as Request;
const found: Record<string, number> = {};
if (summary !== undefined) {
  await writeFile(summary, JSON.stringify(await program.summarise({ path: request.reference })));
} else {
  const { columns } = await program.drift(request);
  for (const { name, kind, wassersteinNormed, jensenShannon } of columns)
    found[name] = (kind === 'number' ? wassersteinNormed : jensenShannon)!;
}
const { user, system } = process.cpuUsage();
const seconds = (user + system) / 1e6;
const testing = seconds - (began.user + began.system) / 1e6;
const megabytes = process.resourceUsage().maxRSS / 1_024;
console.log(JSON.stringify({ found, seconds, testing, megabytes }));
