/** A model that something else serves: a cloud's endpoint, by a program of the user's. */
import type { Command } from 'commander';
import { exitCodes, say } from '../output.ts';

export function addTargetCommand(program: Command): void {
  program
    .command('target <model> <program...>')
    .description(
      'stand for a model that a program of yours puts elsewhere: it is told of each change, until Ctrl-C',
    )
    .option('--name <replica>', 'among the replicas; the host and the model, if absent')
    .option('--json', 'for machines')
    .action(async (model: string, command: string[], options: { name?: string; json?: boolean }) => {
      const { forkModule } = await import('../../infra/child.ts');
      const { readConfig } = await import('../../infra/config.ts');
      const { runningStack } = await import('../stack-file.ts');
      const config = readConfig();
      const store = (await runningStack(config.home))?.store ?? config.store;
      const name = options.name === undefined ? [] : ['--replica', options.name];
      const child = forkModule(new URL('../../serving/command-target.ts', import.meta.url), {
        args: ['--model', model, ...name, '--', ...command],
        env: { ESTEIRA_STORE: store },
      });
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
        process.on(signal, () => void child.kill());
      for await (const { event, ...listening } of child.events)
        if (event === 'listening')
          say(
            options.json === true,
            listening,
            `Following ${model} as ${String(listening['replica'])}. Ctrl-C stops.`,
          );
      const { code } = await child.exited;
      if (code !== 0) process.exitCode = exitCodes.error;
    });
}
