/** A command that is a server: a process of its own, until Ctrl-C. */
import type { Environment } from '../infra/config.ts';
import { exitCodes, say } from './output.ts';

export interface ServerRun {
  module: URL;
  args: readonly string[];
  env?: Environment;
  json: boolean;
  /** What a person is told once it listens. */
  text(listening: Record<string, unknown>): string;
}

/** @throws Error when it is no port; 0 is any that is free */
export function portOf(text: string): string {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) <= 65_535) return text;
  throw new Error(`the port is "${text}"; it must be a whole number from 0 to 65535`);
}

export async function runServer({ module, args, env = {}, json, text }: ServerRun): Promise<void> {
  const { forkModule } = await import('../infra/child.ts');
  const child = forkModule(module, { args, env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void child.kill());
  for await (const { event, ...listening } of child.events)
    if (event === 'listening') say(json, listening, text(listening));
  const { code } = await child.exited;
  if (code !== 0) process.exitCode = exitCodes.error;
}
