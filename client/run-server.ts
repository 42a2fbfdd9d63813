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

export async function runServer({ module, args, env = {}, json, text }: ServerRun): Promise<void> {
  const { forkModule } = await import('../infra/child.ts');
  const child = forkModule(module, { args, env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void child.kill());
  for await (const { event, ...listening } of child.events)
    if (event === 'listening') say(json, listening, text(listening));
  const { code } = await child.exited;
  if (code !== 0) process.exitCode = exitCodes.error;
}
