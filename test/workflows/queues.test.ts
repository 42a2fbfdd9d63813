/** Who works and who waits take no place of who only has to write something down: else all would stand, for each other. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { taskQueues } from '../../contracts/search.ts';
import { besideSettings, cpuSettings } from '../../workers/settings.ts';
import { entity, setup, trigger } from '../support/entity.ts';
import { openWorld } from '../support/world.ts';
import type { World } from '../support/world.ts';
import { until } from '../support/until.ts';

const places = cpuSettings.maxConcurrentActivityTaskExecutions;
/** More than there are places for work or for records. */
const many = Math.max(places, besideSettings.records.maxConcurrentActivityTaskExecutions) + 5;
const names = Array.from({ length: many }, (_, i) => `m${i}`);
let world: World;
before(async () => (world = await openWorld()));
after(() => world.close());

test('ticks that tell and stages that work stand in the way of no record', { timeout: 480_000 }, async () => {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const [telling, working] = [new Set<string>(), new Set<string>()];
  const { tellAlerts, ingest, ...others } = world.agreeable();
  const activities = {
    ...others,
    tellAlerts: async (input: Parameters<typeof tellAlerts>[0]) => {
      telling.add(input.model);
      await held;
      return tellAlerts(input);
    },
    ingest: async (input: Parameters<typeof ingest>[0]) => {
      working.add(input.lifecycleId);
      await held;
      return ingest(input);
    },
  };
  await world.withWorker(activities, async () => {
    try {
      const { workflow } = world.env.client;
      const ticks = await Promise.all(
        names.map((model) =>
          workflow.start('monitor', {
            ...{ workflowId: `monitor/${model}/now`, taskQueue: taskQueues.cpu },
            args: [{ model, everyMs: 60_000 }],
          }),
        ),
      );
      await until(async () => telling.size === many);
      // Each answer is on record before it is given.
      const asked = names.slice(0, places + 1).map((name) => entity(world, name));
      const answers = await Promise.all(asked.map(({ ask }, i) => ask(trigger(), setup(names[i]!))));
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], ['started']);
      await until(async () => working.size === places);
      assert.equal((await asked[0]!.ask(trigger())).status, 'merged');
      letGo();
      await Promise.all(ticks.map((tick) => tick.result()));
      await Promise.all(asked.map(({ idle }) => idle()));
    } finally {
      letGo();
    }
  });
});

test('replay: this code retells every run of this file', () => world.replayAll());
