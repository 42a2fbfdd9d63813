/** A model entity whose tasks fail again and again is ended and begun again, and answers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { modelWorkflowId, taskQueues } from '../../contracts/search.ts';
import { revive } from '../../infra/revive.ts';
import { entity, setup, trigger } from '../support/entity.ts';
import { openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

test(
  'a stuck model comes back from what the store knows; a healthy one is left alone',
  { timeout: 480_000 },
  async () => {
    const { client } = world.env;
    const said: object[] = [];
    const log = { error: (about: object) => void said.push(about) } as never;
    const ids = ['stuck', 'healthy'].map(modelWorkflowId);
    await client.workflow.start('model', { workflowId: ids[0]!, taskQueue: taskQueues.cpu, args: ['stuck'] });
    const broken = await Worker.create({
      connection: world.env.nativeConnection,
      taskQueue: taskQueues.cpu,
      workflowsPath: fileURLToPath(new URL('../support/stuck-workflows.ts', import.meta.url)),
    });
    const tries = async () =>
      (await client.workflow.getHandle(ids[0]!).describe()).raw.pendingWorkflowTask?.attempt ?? 0;
    await broken.runUntil(() => until(async () => (await tries()) >= 3));

    await world.withWorker(world.agreeable(), async () => {
      await entity(world, 'healthy').ask(trigger(), setup('healthy'));
      const before = (await client.workflow.getHandle(ids[1]!).describe()).runId;
      await until(async () => (await revive(client, log, 3)).includes(ids[0]!));
      assert.equal((await client.workflow.getHandle(ids[1]!).describe()).runId, before);
      const stuck = entity(world, 'stuck');
      assert.equal((await stuck.outcome(await stuck.ask(trigger(), setup('stuck')))).status, 'deployed');
      assert.equal(said.length, 1);
    });
  },
);
