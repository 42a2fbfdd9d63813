/** Commands about training: a version once more, and who trains. */
import type { Command } from 'commander';
import { exitCodes, say, table } from '../output.ts';
import { withEsteira } from './session.ts';

export function addTrainingCommands(program: Command): void {
  program
    .command('reproduce <version>')
    .description('train a version again from its records, and compare: flights/3')
    .option('--json', 'for machines')
    .action((name: string, { json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const { reproduce, reproductionText } = await import('../reproduce.ts');
        const found = await reproduce(esteira, name);
        say(json, found, reproductionText(found));
        if (!found.identical) process.exitCode = exitCodes.no;
      }),
    );
  program
    .command('workers')
    .description('gpu workers, their devices, and what an hour of them costs')
    .option('--json', 'for machines')
    .action(({ json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const { livingWorkers } = await import('../../infra/worker-registry.ts');
        const workers = await livingWorkers(esteira.store);
        const rows = workers.map(({ name, queue, devices, costPerHour, startedAt }) => [
          ...[name, queue, devices.map((device) => `${device.index} ${device.name}`).join(', ')],
          ...[costPerHour === null ? '–' : String(costPerHour), startedAt.slice(0, 19).replace('T', ' ')],
        ]);
        const none = 'No gpu worker has registered; docs/trainers.md says how to start one.';
        const heads = ['worker', 'queue', 'devices', 'cost an hour', 'since (UTC)'];
        say(json, workers, rows.length > 0 ? table(heads, rows) : none);
      }),
    );
}
