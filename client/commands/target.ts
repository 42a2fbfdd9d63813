/** A model that something else serves: a cloud's endpoint, by a program of the user's. */
import type { Command } from 'commander';
import { runServer } from '../run-server.ts';

export function addTargetCommand(program: Command): void {
  program
    .command('target <model> <program...>')
    .description(
      'stand for a model that a program of yours puts elsewhere: it is told of each change, until Ctrl-C',
    )
    .option('--name <replica>', 'among the replicas; the host and the model, if absent')
    .option('--json', 'for machines')
    .action(async (model: string, command: string[], options: { name?: string; json?: boolean }) => {
      const { readConfig } = await import('../../infra/config.ts');
      const { runningStack } = await import('../stack-file.ts');
      const config = readConfig();
      const store = (await runningStack(config.home))?.store ?? config.store;
      const name = options.name === undefined ? [] : ['--replica', options.name];
      await runServer({
        module: new URL('../../serving/command-target.ts', import.meta.url),
        args: ['--model', model, ...name, '--', ...command],
        env: { ESTEIRA_STORE: store },
        json: options.json === true,
        text: ({ replica }) => `Following ${model} as ${String(replica)}. Ctrl-C stops.`,
      });
    });
}
