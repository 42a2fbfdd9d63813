/** The gateway alone; `esteira up` starts one, too. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { portOf, runServer } from '../run-server.ts';

interface GatewayOptions {
  port?: string;
  host: string;
  config?: string;
  json?: boolean;
}

export function addGatewayCommand(program: Command): void {
  program
    .command('gateway')
    .description('take events, labels, rows, triggers and approvals by HTTP, until Ctrl-C')
    .option('--port <n>', '8090, or ESTEIRA_GATEWAY_PORT, if absent; 0 is any that is free')
    .option('--host <address>', 'where it listens; another than this machine needs --config', '127.0.0.1')
    .option('--config <file>', 'gateway.yaml: who may send what, and how they prove who they are')
    .option('--json', 'for machines')
    .action(gateway);
}

async function gateway({ port, host, config, json = false }: GatewayOptions): Promise<void> {
  const place = port === undefined ? [] : ['--port', portOf(port)];
  const { readConfig } = await import('../../infra/config.ts');
  const { located } = await import('../session.ts');
  await located(readConfig()); // what is wrong in it is said here, once
  await runServer({
    module: new URL('../gateway/server.ts', import.meta.url),
    args: ['--host', host, ...place, ...(config === undefined ? [] : ['--config', resolve(config)])],
    json,
    text: ({ url, open }) =>
      [
        `Gateway  ${String(url)}`,
        ...(open
          ? ['Without --config anybody on this machine may send anything; nobody else is listened to.']
          : []),
        'Ctrl-C stops.',
      ].join('\n'),
  });
}
