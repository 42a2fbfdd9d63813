/** What commands share: a session opened and closed around them, who is asking, and how values are read. */
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { InvalidArgumentError } from 'commander';
import type { Esteira } from '../index.ts';

export async function withEsteira<T>(use: (esteira: Esteira) => Promise<T>): Promise<T> {
  const { openEsteira } = await import('../session.ts');
  const esteira = await openEsteira();
  try {
    return await use(esteira);
  } finally {
    await esteira.close();
  }
}

/** The name of the account that runs the command: a claim, not a proof. */
export function person(): string {
  return userInfo().username;
}

/** A day, or a moment with its zone. @throws InvalidArgumentError that says what would be right */
export function instant(text: string): string {
  const time = new Date(text);
  const whole = /^\d{4}-\d{2}-\d{2}$|T.*(Z|[+-]\d{2}:\d{2})$/.test(text);
  if (whole && !Number.isNaN(time.getTime())) return time.toISOString();
  throw new InvalidArgumentError('Give ISO 8601, such as 2001-02-01 or 2001-02-01T06:00:00Z.');
}

/** @throws InvalidArgumentError */
export function positiveWhole(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number from 1.');
}

/** `id,carrier`, each once. @throws InvalidArgumentError */
export function columnNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return [...new Set(names)];
  throw new InvalidArgumentError('Give names of columns with commas between: id,carrier.');
}

/** @throws InvalidArgumentError on an empty one: it is kept for ever, and must say something */
export function reason(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('Say why.');
}

/** `flights/3` is short for `lifecycle/flights/3`. */
export function lifecycleId(text: string): string {
  return text.startsWith('lifecycle/') ? text : `lifecycle/${text}`;
}

/** @throws Error naming the file, and the place in it */
export async function readJsonFile(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
