/**
 * How many events a second a gateway takes durably: each with an id of its own, and looked up among all before. The load comes
 * from another process of the same machine, which has its share of the processors.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { forkModule } from '../infra/child.ts';
import type { Child } from '../infra/child.ts';
import { sha256 } from '../infra/digest.ts';
import { cpuSeconds } from './processes.ts';
import { atLeast, just, timed } from './row.ts';
import type { Row } from './row.ts';

const seconds = Number(process.env['BENCH_SECONDS'] ?? 5);
const token = 'a-token-for-the-bench';

export async function gateway(home: string): Promise<Row[]> {
  const settings = join(home, 'gateway.yaml');
  const plant = `{ proof: { by: token, sha256: ${sha256(token)} }, may: [events, admin] }`;
  await writeFile(settings, `callers: { plant: ${plant} }\n`);
  const start = () => started('../client/gateway/server.ts', home, ['--port', '0', '--config', settings]);
  const one = await start();
  const rows: Row[] = [];
  for (const connections of [1, 16, 64]) {
    const before = await cpuSeconds(one.pid);
    const { rate, p50, p99 } = await load(one.url, connections, `alone${connections}`);
    const cpu = ((await cpuSeconds(one.pid)) - before) / (rate * (seconds + 1));
    const at = `${connections} connection${connections > 1 ? 's' : ''}`;
    rows.push(
      connections === 64
        ? atLeast(`durable events, ${at}`, rate, '/s', 2_000)
        : just(`durable events, ${at}`, rate, '/s'),
      just(`an event, median, ${at}`, p50, 'ms'),
      just(`an event, slowest in a hundred, ${at}`, p99, 'ms'),
      just(`processor time an event, ${at}`, cpu * 1e6, 'µs'),
    );
  }
  const two = await start();
  const both = await Promise.all([load(one.url, 32, 'left'), load(two.url, 32, 'right')]);
  rows.push(just('durable events, two gateways on one store', both[0].rate + both[1].rate, '/s'));
  await Promise.all([one.child.kill(), two.child.kill()]);
  const [three, began] = await timed(start);
  const metrics = await (
    await fetch(`${three.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  ).text();
  const events = Number(/ledger_events (\d+)/.exec(metrics)![1]);
  rows.push(just(`start on a ledger of ${events} events, with Temporal away (3 s)`, began, 's'));
  await three.child.kill();
  return rows;
}

async function load(
  url: string,
  connections: number,
  prefix: string,
): Promise<Record<'rate' | 'p50' | 'p99', number>> {
  const args = [url, String(connections), String(seconds), token, prefix];
  const child = forkModule(new URL('./gateway-load.ts', import.meta.url), { args });
  for await (const event of child.events) if (event['event'] === 'done') return event as never;
  throw new Error('the load ended without a word');
}

/** No Temporal server is there: nobody listens to these events, and none is needed. */
async function started(
  module: string,
  home: string,
  args: string[],
): Promise<{ child: Child; pid: number; url: string }> {
  const env = {
    ...{ ESTEIRA_HOME: home, ESTEIRA_CACHE: join(home, 'cache'), TEMPORAL_ADDRESS: '127.0.0.1:1' },
    ESTEIRA_STORE: pathToFileURL(join(home, 'store')).href,
    LOG_LEVEL: 'error',
  };
  const child = forkModule(new URL(module, import.meta.url), { args, env });
  for await (const event of child.events)
    if (event['event'] === 'listening') return { child, pid: child.pid, url: String(event['url']) };
  throw new Error(`${module} did not start`);
}
