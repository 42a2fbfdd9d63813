/** One-row predictions over HTTP, every one of them logged, beside the least that Fastify could do. */
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { forkModule } from '../infra/child.ts';
import type { Child } from '../infra/child.ts';
import { openStore } from '../infra/store/open.ts';
import { publishSlots, publishVersion } from '../test/support/serving-model.ts';
import { inferBody } from '../test/support/server.ts';
import { cpuSeconds } from './processes.ts';
import { atLeast, atMost, just } from './row.ts';
import type { Row } from './row.ts';

const seconds = 5;

export async function serving(home: string): Promise<Row[]> {
  const uri = pathToFileURL(join(home, 'store')).href;
  const store = await openStore(uri, { cacheDir: join(home, 'cache') });
  await publishSlots(store, { champion: await publishVersion(store, 1, 1) });
  await store.close();
  const env = { ESTEIRA_HOME: home, ESTEIRA_STORE: uri, LOG_LEVEL: 'warn' };
  const module = (path: string, args: string[]) => forkModule(new URL(path, import.meta.url), { args, env });
  const server = module('../serving/server.ts', ['--port', '0', '--replica', 'bench']);
  const echo = module('./echo.ts', []);
  try {
    const infer = `${await urlOf(server)}/v2/models/flights/infer`;
    const plain = await urlOf(echo);
    const rows: Row[] = [];
    for (const connections of [16, 64]) {
      const least = await load(plain, connections);
      const before = await cpuSeconds(server.pid);
      const ours = await load(infer, connections);
      const cpu = ((await cpuSeconds(server.pid)) - before) / (ours * (seconds + 1)); // one of them warms up
      rows.push(
        just(`one-row predictions, ${connections} connections`, ours, '/s'),
        just(`Fastify echoing the same bytes, ${connections} connections`, least, '/s'),
        atMost(`processor time a prediction, ${connections} connections`, cpu * 1e6, 'µs', 75),
        atLeast(`predictions over echoes, ${connections} connections`, ours / least, '', 0.85),
      );
    }
    return rows;
  } finally {
    await Promise.all([server.kill(), echo.kill()]);
  }
}

async function urlOf(child: Child): Promise<string> {
  for await (const { event, url } of child.events) if (event === 'listening') return String(url);
  throw new Error('the server ended before it listened');
}

/** From a process of its own. @returns requests a second, after a second of warming up */
async function load(url: string, connections: number): Promise<number> {
  const body = JSON.stringify(inferBody(1));
  const args = [url, String(connections), String(seconds), body];
  const child = forkModule(new URL('./load.ts', import.meta.url), { args });
  for await (const { event, rate } of child.events) if (event === 'done') return Number(rate);
  throw new Error(`no load could be put on ${url}`);
}
