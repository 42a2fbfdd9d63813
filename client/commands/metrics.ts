/** `esteira metrics`: what monitoring has found, for Prometheus. Needs the store, and no Temporal. */
import { once } from 'node:events';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { Duration, durationMs } from '../../contracts/artifact.ts';
import { say } from '../output.ts';

interface MetricsCommand {
  port?: number;
  host: string;
  refresh: number;
  json?: boolean;
}

export function addMetricsCommand(program: Command): void {
  program
    .command('metrics')
    .description('what monitoring has found, in the text format of Prometheus')
    .option(
      '--port <n>',
      'serve it there, until Ctrl-C; 0 is any that is free. Printed once, if absent',
      port,
    )
    .option('--host <address>', 'to listen at', '127.0.0.1')
    .option('--refresh <duration>', 'read the store at most so often', duration, 60_000)
    .option('--json', 'for machines: where it listens')
    .action(metrics);
}

async function metrics({ port: wished, host, refresh, json = false }: MetricsCommand): Promise<void> {
  const { withStore } = await import('../experiments/session.ts');
  const { monitoringMetrics } = await import('../monitoring/metrics.ts');
  await withStore(async (store) => {
    const onFault = (error: unknown) => process.stderr.write(`${String(error)}\n`);
    const text = monitoringMetrics(store, { refreshMs: refresh, onFault });
    if (wished === undefined) {
      process.stdout.write(await text());
      return;
    }
    const { serveMetrics } = await import('../monitoring/metrics-server.ts');
    const server = await serveMetrics(text, { host, port: wished });
    say(json, { event: 'listening', url: server.url }, `${server.url}\nServing. Ctrl-C stops.`);
    await Promise.race((['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => once(process, signal)));
    await server.close();
  });
}

function port(text: string): number {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('Give a whole number from 0 to 65535.');
}

function duration(text: string): number {
  if (Duration.safeParse(text).success) return durationMs(text);
  throw new InvalidArgumentError('Give a whole number and a unit, such as 30s or 5m.');
}
