/** What balancers, operators and readers ask: health, metrics, and what there is to ask. */
import type { Client } from '@temporalio/client';
import type { Store } from '../../infra/store/store.ts';
import type { Route } from './app.ts';
import { settledKey } from './keys.ts';
import { openApi } from './openapi.ts';
import { openApiPage } from './openapi-page.ts';

export interface OperatorDeps {
  store: Store;
  client: Client;
  metrics(): string;
}

/** What does not answer by then is away. */
const askMs = 2_000;

export function operatorRoutes({ store, client, metrics }: OperatorDeps): Route[] {
  const document = openApi();
  const page = openApiPage(document);
  return [
    { method: 'GET', url: '/health/live', handler: () => ({ live: true }) },
    {
      ...{ method: 'GET', url: '/health/ready' },
      /** Without Temporal events are taken all the same, and wait in the ledger. */
      async handler(_request, reply) {
        const [stored, temporal] = await Promise.all([
          holds(() => store.read(settledKey)),
          holds(() =>
            client.withDeadline(Date.now() + askMs, () => client.workflowService.getSystemInfo({})),
          ),
        ]);
        return reply.code(stored ? 200 : 503).send({ ready: stored, store: stored, temporal });
      },
    },
    {
      ...{ method: 'GET', url: '/metrics', scope: 'admin' },
      handler: (_request, reply) => reply.type('text/plain; version=0.0.4').send(metrics()),
    },
    { method: 'GET', url: '/openapi.json', handler: () => document },
    {
      ...{ method: 'GET', url: '/' },
      handler: (_request, reply) =>
        reply
          .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
          .type('text/html; charset=utf-8')
          .send(page),
    },
  ];
}

async function holds(ask: () => Promise<unknown>): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(resolve, askMs, false).unref());
  const asked = ask().then(
    () => true,
    () => false, // why, is in the log of whoever needs it
  );
  return Promise.race([asked, late]);
}
