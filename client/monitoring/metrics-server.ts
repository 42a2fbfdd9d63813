/** `/metrics` of what monitoring has found, for Prometheus alone: names of models and columns, and no row. */
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import { expositionType } from '../../infra/exposition.ts';

export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

export async function serveMetrics(
  text: () => Promise<string>,
  { host, port }: { host: string; port: number },
): Promise<MetricsServer> {
  const app = fastify();
  app.get('/metrics', async (_request, reply) => reply.type(expositionType).send(await text()));
  app.get('/health', async () => ({ status: 'ok' }));
  await app.listen({ host, port });
  const { address, port: taken } = app.server.address() as AddressInfo;
  const name = address.includes(':') ? `[${address}]` : address;
  return { url: `http://${name}:${taken}/metrics`, close: () => app.close() };
}
