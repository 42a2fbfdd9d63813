/** The workers of a process that does all but train on devices: one a queue. */
import { Worker } from '@temporalio/worker';
import type { WorkerOptions } from '@temporalio/worker';
import { taskQueues } from '../contracts/search.ts';
import { besideSettings, cpuSettings } from './settings.ts';

/** All know all activities: what an earlier release had put on `cpu` is found there. */
export function createWorkers(options: Omit<WorkerOptions, 'taskQueue'>): Promise<Worker[]> {
  const { workflowBundle: _, ...beside } = options;
  return Promise.all([
    Worker.create({ ...cpuSettings, ...options, taskQueue: taskQueues.cpu }),
    ...(['records', 'waits'] as const).map((queue) =>
      Worker.create({ ...besideSettings[queue], ...beside, taskQueue: taskQueues[queue] }),
    ),
  ]);
}
