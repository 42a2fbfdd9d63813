/** Every history that a server holds, against the workflow code as it is. */
import assert from 'node:assert/strict';
import type { Client } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { readConfig } from '../../infra/config.ts';
import { workflowBundle } from '../../infra/workflow-bundle.ts';

/** @returns workflow types replayed, each with how many runs */
export async function replayAll(client: Client): Promise<Record<string, number>> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const bundle = await workflowBundle(readConfig({}).cacheHome);
  const histories = [];
  const types: Record<string, number> = {};
  for await (const { workflowId, runId, type } of client.workflow.list()) {
    histories.push({
      workflowId,
      history: await client.workflow.getHandle(workflowId, runId).fetchHistory(),
    });
    types[type] = (types[type] ?? 0) + 1;
  }
  for await (const { workflowId, error } of Worker.runReplayHistories(
    { workflowBundle: bundle },
    histories,
  )) {
    assert.ifError(error && new Error(`${workflowId} does not replay: ${error.message}`, { cause: error }));
  }
  return types;
}
