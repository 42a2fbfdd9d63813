/** A server of its own, and a client; workers come and go. */
import { Client, Connection } from '@temporalio/client';
import { forkModule, waitingFlags } from '../infra/child.ts';
import type { Child } from '../infra/child.ts';
import { readConfig } from '../infra/config.ts';
import { startDevServer } from '../infra/dev-server.ts';

export interface StandIn {
  client: Client;
  /** Resolves when it polls. */
  worker(): Promise<{ child: Child; said(event: string): Promise<void> }>;
  stop(): Promise<void>;
}

export async function openStandIn(home: string): Promise<StandIn> {
  const server = await startDevServer({ home, cacheHome: readConfig().cacheHome });
  const connection = await Connection.connect({ address: server.address });
  const children: Child[] = [];
  return {
    client: new Client({ connection }),
    async worker() {
      const child = forkModule(new URL('./stand-in-worker.ts', import.meta.url), {
        args: [server.address],
        flags: waitingFlags,
      });
      children.push(child);
      const events = child.events[Symbol.asyncIterator]();
      const said = async (event: string) => {
        for (;;) {
          const { value, done } = await events.next();
          if (done) throw new Error(`the worker ended before it said "${event}"`);
          if (value['event'] === event) return;
        }
      };
      await said('ready');
      return { child, said };
    },
    async stop() {
      await Promise.all(children.map((child) => child.kill()));
      await connection.close();
      await server.stop();
    },
  };
}
