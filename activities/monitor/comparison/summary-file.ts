/** Summaries as files of their own: JSON, told from JSON rows by how they begin. */
import { open, readFile } from 'node:fs/promises';
import { Summary } from '../../../contracts/drift.ts';
import { unlessCode } from '../../../infra/errno.ts';
import { TableFault, unreadable } from './table.ts';

const beginning = '{"summary":';

export async function isSummary(path: string): Promise<boolean> {
  if (!path.endsWith('.json')) return false;
  const file = await open(path).catch(unlessCode('ENOENT'));
  if (!file) return false; // a pattern, or nothing: whoever opens it as a table says so
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(beginning.length), 0, beginning.length, 0);
    return buffer.subarray(0, bytesRead).toString() === beginning;
  } finally {
    await file.close();
  }
}

/** @throws TableFault when it is none, or of another release */
export async function readSummary(path: string): Promise<Summary> {
  if (!(await isSummary(path)))
    throw new TableFault(`${path} is no summary; \`esteira profile FILE --summary ${path}\` writes one`);
  const text = await readFile(path, 'utf8');
  const parsed = Summary.safeParse(jsonOf(path, text));
  if (parsed.success) return parsed.data;
  const { path: place, message } = parsed.error.issues[0]!;
  throw unreadable(path, `${place.join('.')} is wrong: ${message}`);
}

function jsonOf(path: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw unreadable(path, `it is no whole JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}
