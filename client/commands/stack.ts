/** Commands that run Esteira on this machine. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { readConfig } from '../../infra/config.ts';
import { diagnose } from '../doctor.ts';
import { exitCodes, say, table } from '../output.ts';
import { runningStack } from '../session.ts';
import { startStack } from '../stack.ts';

export function addStackCommands(program: Command): void {
  program
    .command('up')
    .description('run server, worker and serving on this machine, until Ctrl-C')
    .option('--json', 'for machines')
    .action(async ({ json = false }: { json?: boolean }) => {
      const stack = await startStack(readConfig());
      const { address, uiUrl, servingUrl, store } = stack;
      const text = [
        `Temporal  ${stack.server}`,
        ...(uiUrl ? [`Web UI    ${uiUrl}`] : []),
        `Endpoint  ${servingUrl}`,
        `Store     ${store}`,
        'Running. Ctrl-C stops everything.',
      ].join('\n');
      say(json, { address, uiUrl, servingUrl, store }, text);
      await interrupted();
      if (!json) process.stdout.write('Stopping …\n');
      await stack.stop();
    });
  program
    .command('down')
    .description('stop what `esteira up` runs from this home')
    .option('--json', 'for machines')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { home } = readConfig();
      const stack = await runningStack(home);
      if (!stack) return say(json, { stopped: false }, `Nothing runs from ${home}.`);
      process.kill(stack.pid, 'SIGTERM');
      while (await runningStack(home)) await sleep(100);
      say(json, { stopped: true }, 'Stopped.');
    });
  program
    .command('doctor')
    .description('what is here, what is missing, and what to do about it')
    .option('--json', 'for machines')
    .action(async ({ json = false }: { json?: boolean }) => {
      const findings = await diagnose(readConfig());
      const rows = findings.map(({ what, ok, detail }) => [ok ? 'ok' : 'NO', what, detail]);
      say(json, findings, table(['', 'what', 'found'], rows));
      if (findings.some(({ ok }) => !ok)) process.exitCode = exitCodes.error;
    });
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
