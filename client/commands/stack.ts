/** Commands that run Esteira on this machine. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { exitCodes, say, table } from '../output.ts';

export function addStackCommands(program: Command): void {
  program
    .command('up')
    .description('run server, worker, serving and gateway on this machine, until Ctrl-C')
    .option('--json', 'for machines')
    .action(({ json = false }: { json?: boolean }) => up(json));
  program
    .command('down')
    .description('stop what `esteira up` runs from this home')
    .option('--json', 'for machines')
    .action(({ json = false }: { json?: boolean }) => down(json));
  program
    .command('doctor')
    .description('what is here, what is missing, and what to do about it')
    .option('--json', 'for machines')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { readConfig } = await import('../../infra/config.ts');
      const { diagnose } = await import('../doctor.ts');
      const findings = await diagnose(readConfig());
      const rows = findings.map(({ what, ok, detail }) => [ok ? 'ok' : 'NO', what, detail]);
      say(json, findings, table(['', 'what', 'found'], rows));
      if (findings.some(({ ok }) => !ok)) process.exitCode = exitCodes.error;
    });
}

async function up(json: boolean): Promise<void> {
  const interrupted = whenInterrupted();
  const { readConfig } = await import('../../infra/config.ts');
  const { startStack } = await import('../stack.ts');
  const config = readConfig();
  const stack = await startStack(config, (line) => void process.stderr.write(`${line}\n`));
  const { address, uiUrl, servingUrl, gatewayUrl, store } = stack;
  const { host, grpcPort } = config.serving;
  const text = [
    `Temporal  ${stack.server}`,
    ...(uiUrl ? [`Web UI    ${uiUrl}`] : []),
    `Endpoint  ${servingUrl}${grpcPort ? `, gRPC at ${host}:${grpcPort}` : ''}`,
    `Gateway   ${gatewayUrl}`,
    `Store     ${store}`,
    ...(stack.devices.length > 0
      ? [`Training  on ${stack.devices.map(({ index, name }) => `${index} ${name}`).join(', ')}`]
      : []),
    'Running. Ctrl-C stops everything.',
  ].join('\n');
  say(json, { address, uiUrl, servingUrl, gatewayUrl, store }, text);
  await interrupted;
  if (!json) process.stdout.write('Stopping …\n');
  await stack.stop();
}

async function down(json: boolean): Promise<void> {
  const { readConfig } = await import('../../infra/config.ts');
  const { runningStack } = await import('../stack-file.ts');
  const { home } = readConfig();
  const stack = await runningStack(home);
  if (!stack) {
    const { stopSurvivor } = await import('../../infra/dev-server.ts');
    const stopped = await stopSurvivor(home); // a killed `up` takes its workers along, but not its server
    return say(
      json,
      { stopped },
      stopped ? 'Stopped the server that was left.' : `Nothing runs from ${home}.`,
    );
  }
  process.kill(stack.pid, 'SIGTERM');
  while (await runningStack(home)) await sleep(100);
  say(json, { stopped: true }, 'Stopped.');
}

/**
 * Asked for before anything is started, so that a Ctrl-C in the middle of the start still stops what was
 * started. A second one does not wait: children die with this process.
 */
function whenInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    let times = 0;
    const onSignal = (): void => {
      if (++times > 1) process.exit(exitCodes.interrupted);
      resolve();
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  });
}
