/** A rollout in the middle of its steps, and how tests talk to it: of a model with an entity, or all alone. */
import type { WorkflowHandle } from '@temporalio/client';
import assert from 'node:assert/strict';
import type { AllActivities } from '../../contracts/activities.ts';
import type { ProjectSetup } from '../../contracts/model.ts';
import type { Observation, RolloutPlan, RolloutUpdates, RolloutView, Step } from '../../contracts/rollout.ts';
import { rolloutWorkflowId, taskQueues } from '../../contracts/search.ts';
import { rollbackUpdate, rolloutQuery } from '../../workflows/messages.ts';
import { rollout } from '../../workflows/rollout.ts';
import { entity as entityOf, setup, trigger } from './entity.ts';
import { artifact } from './world.ts';
import type { World } from './world.ts';
import { until } from './until.ts';

export const long = 600_000;
export const shadow = (bakeMs: number): Step => ({ mode: 'shadow', share: 0, shadow: 0.5, bakeMs });
export const canary = (bakeMs: number, share = 0.1): Step => ({ mode: 'canary', share, bakeMs });
export const trial = (bakeMs: number, tie: 'champion' | 'challenger'): Step => ({
  ...{ mode: 'ab', share: 0.5, bakeMs, tie },
});
const traffic = (...steps: Step[]): Partial<ProjectSetup> => ({ traffic: { strategy: 'of-a-test', steps } });

export type Observe = AllActivities['observe'];

/** Looks as the stand-in has them, but for this. */
export const looksLike =
  (world: World, look: () => Partial<Observation>): Observe =>
  async (input) => ({ ...(await world.agreeable().observe(input)), ...look() });

/** A model with a champion and a second version under way, by these steps. */
export async function challengedIn(
  world: World,
  name: string,
  steps: Step[],
  act: (town: Town) => Promise<void>,
  look?: Observe,
): Promise<void> {
  const activities = { ...world.agreeable(), ...(look && { observe: look }) };
  await world.withWorker(activities, async () => {
    const { ask, outcome, describe, idle, handle } = entityOf(world, name);
    await outcome(await ask(trigger(), setup(name)));
    await idle();
    const second = await ask(trigger(), setup(name, traffic(...steps)));
    const run = world.env.client.workflow.getHandle(rolloutWorkflowId(name, 2));
    await act({
      ...{ describe, idle },
      ended: () => outcome(second),
      view: () => run.query(rolloutQuery),
      say: (update, said) => run.executeUpdate(update, { args: [{ by: 'ana', reason: 'a drill', ...said }] }),
      rollback: () =>
        handle.executeUpdate(rollbackUpdate, { args: [{ by: 'ops', reason: 'pages are red' }] }),
      serves: (slot) =>
        until(async () => {
          const { challenger } = (await describe()).slots ?? {};
          return (
            challenger?.version === 2 && challenger.share === slot.share && challenger.shadow === slot.shadow
          );
        }),
    });
    await idle();
    assert.equal((await describe()).slots?.challenger, null);
  });
}

export interface Town extends Pick<ReturnType<typeof entityOf>, 'describe' | 'idle'> {
  ended(): ReturnType<ReturnType<typeof entityOf>['outcome']>;
  view(): Promise<RolloutView>;
  say<K extends keyof RolloutUpdates>(
    update: K,
    said?: { quarantine?: boolean },
  ): Promise<RolloutUpdates[K][1]>;
  rollback(): Promise<unknown>;
  serves(slot: { share: number; shadow?: number }): Promise<void>;
}

/** One that nobody owns, whose every shift is agreed to, with a history of 40 events at most. */
export async function aloneIn(
  world: World,
  name: string,
  steps: Step[],
  act: (run: Alone) => Promise<void>,
): Promise<void> {
  const shifts: string[] = [];
  const activities: AllActivities = {
    ...world.agreeable(),
    requestPromotion: async () => ({ accepted: true, ticket: 1, champion: 7 }),
    shift: async ({ step, to, share }) => (shifts.push(`${to} ${share}`), { accepted: true, epoch: step! }),
  };
  const plan: RolloutPlan = {
    ...{ model: name, version: 8, lifecycleId: `lifecycle/${name}/8`, project: artifact, bakes: [] },
    ...{ traffic: { strategy: 'canary', steps } },
  };
  await world.withWorker(activities, async () => {
    const { workflow } = world.env.client;
    const workflowId = rolloutWorkflowId(name, 8);
    await workflow.start(rollout, { workflowId, taskQueue: taskQueues.cpu, args: [plan, 40] });
    const runs = async () => {
      const lengths = [];
      for await (const { historyLength } of workflow.list({ query: `WorkflowId = '${workflowId}'` }))
        lengths.push(historyLength);
      return lengths;
    };
    await act({ run: workflow.getHandle<typeof rollout>(workflowId), runs, shifts });
  });
}
export interface Alone {
  run: WorkflowHandle<typeof rollout>;
  /** How long the history of each of its runs is. */
  runs(): Promise<number[]>;
  shifts: string[];
}
