/** The environment of a trainer that ships, built from its lock or found in the cache. */
import { readFile } from 'node:fs/promises';
import type { ReadyTrainer } from '../contracts/training.ts';
import { pythonEnvironment } from '../infra/python-environment.ts';

export const trainers = new URL('../activities/train/python/', import.meta.url);

/** @returns the path of its interpreter */
export async function interpreterOf(trainer: ReadyTrainer, cacheHome: string): Promise<string> {
  const lockName = `${trainer}.lock`;
  const lock = await readFile(new URL(`ready/${lockName}`, trainers), 'utf8');
  const order = { lock, lockName, python: 'python3', systemPackages: false };
  return (await pythonEnvironment(cacheHome, order, () => {}, new AbortController().signal)).python;
}
