/** `esteira replay --running`: would the runs that are open now survive an upgrade to this code? */
import type { Command } from 'commander';
import { exitCodes, say } from '../output.ts';
import { withEsteira } from './session.ts';

export function addReplayCommand(program: Command): void {
  program
    .command('replay')
    .description('replay the histories of open runs with this code: to be done before an upgrade')
    .requiredOption('--running', 'every run that is open in the namespace')
    .option('--json', 'for machines')
    .action(({ json = false }: { json?: boolean }) =>
      withEsteira(async ({ client }) => {
        const { readConfig } = await import('../../infra/config.ts');
        const { replayRunning } = await import('../replay.ts');
        const found = await replayRunning(client, readConfig().cacheHome);
        const broken = found.filter(({ error }) => error !== null);
        const head =
          broken.length === 0
            ? `${found.length} open runs replay with this code.`
            : `${broken.length} of ${found.length} open runs would break:`;
        const lines = broken.map(({ workflowId, error }) => `  ${workflowId}: ${error}`);
        say(json, { replayed: found.length, broken }, [head, ...lines].join('\n'));
        if (broken.length > 0) process.exitCode = exitCodes.error;
      }),
    );
}
