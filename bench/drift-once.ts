/**
 * One comparison in a process of its own: `drift-once.ts <request.json as text>`, as `esteira drift` runs it. Prints what it
 * found and what it took: the whole process, its start included, unless it was warm.
 */
import { writeFile } from 'node:fs/promises';
import { program } from '../workers/drift.ts';

interface Request {
  reference: string;
  current: string;
  fast: boolean;
  /** Instead of a comparison: where a summary of the reference goes. */
  summary?: string;
  /** It was done once before what is measured, as in a worker, whose code is compiled. */
  warm?: boolean;
}

const { summary, warm = false, ...request } = JSON.parse(process.argv.at(-1)!) as Request;
const found: Record<string, number> = {};
if (warm) await program.drift(request);
const began = warm ? process.cpuUsage() : { user: 0, system: 0 };
if (summary !== undefined) {
  await writeFile(summary, JSON.stringify(await program.summarise({ path: request.reference })));
} else {
  const { columns } = await program.drift(request);
  for (const { name, kind, wassersteinNormed, jensenShannon } of columns)
    found[name] = (kind === 'number' ? wassersteinNormed : jensenShannon)!;
}
const { user, system } = process.cpuUsage();
const seconds = (user + system - began.user - began.system) / 1e6;
const megabytes = process.resourceUsage().maxRSS / 1_024;
console.log(JSON.stringify({ found, seconds, megabytes }));
