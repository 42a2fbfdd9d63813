/** `node infra/start.mjs workers/cpu.ts …`: runs one of our programs in this process, compiled where that can be written. */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { compiled } from './compiled.mjs';

/** @param {URL} program its source. @returns what it exports */
export async function start(program) {
  const path = compiled(program);
  if (path === undefined) await import('tsx');
  return import(path === undefined ? program.href : pathToFileURL(path).href);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [program] = process.argv.splice(2, 1);
  if (!program) throw new Error('usage: start.mjs <program>, such as workers/cpu.ts');
  await start(pathToFileURL(resolve(program)));
}
