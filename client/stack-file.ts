/** `<home>/stack.json`: what `esteira up` runs, while it runs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { unlessCode } from '../infra/errno.ts';
import { birthOf, isAlive } from '../infra/local.ts';

export const StackFile = z.object({
  pid: z.int(),
  /** Of that process; a later one may get the same id. */
  birth: z.string(),
  address: z.string(),
  namespace: z.string(),
  uiUrl: z.string(),
  servingUrl: z.string(),
  /** Absent before 0.5.0. */
  gatewayUrl: z.string().optional(),
  store: z.string(),
});
export type StackFile = z.infer<typeof StackFile>;

export const stackFilePath = (home: string): string => join(home, 'stack.json');

/** @returns undefined when no stack runs from this home, whatever a killed one left behind. */
export async function runningStack(home: string): Promise<StackFile | undefined> {
  const text = await readFile(stackFilePath(home), 'utf8').catch(unlessCode('ENOENT'));
  if (text === undefined) return undefined;
  const { data: stack } = StackFile.safeParse(JSON.parse(text)); // another release's file is no stack of ours
  return stack && isAlive(stack.pid) && (await birthOf(stack.pid)) === stack.birth ? stack : undefined;
}
