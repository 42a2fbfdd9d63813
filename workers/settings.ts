/** How the workers work, apart from what it is wired to. The bench measures with the same. */
import type { WorkerOptions } from '@temporalio/worker';
import { heartbeats } from '../infra/heartbeat.ts';
import { payloadBounds } from '../infra/payload-bounds.ts';

/** Between looks at runs whose tasks fail again and again. */
export const reviveMs = 20_000;

const interceptors = { activity: [heartbeats, payloadBounds] };

export const cpuSettings = {
  interceptors,
  maxConcurrentActivityTaskExecutions: 8,
  maxConcurrentWorkflowTaskExecutions: 40,
  stickyQueueScheduleToStartTimeout: '1 second', // a successor takes over in 7 s, not 16
  maxHeartbeatThrottleInterval: '2 seconds', // an answer may say "cancelled"; the usual is 8 s of our 10
  shutdownGraceTime: '20 seconds', // less than a pod's 30 s, so that training can save its checkpoint
} satisfies Partial<WorkerOptions>;

/** One slot a device: see workers/gpu.ts. */
export const gpuSettings = {
  interceptors,
  maxHeartbeatThrottleInterval: cpuSettings.maxHeartbeatThrottleInterval,
  shutdownGraceTime: cpuSettings.shutdownGraceTime,
} satisfies Partial<WorkerOptions>;

/** It takes little to write a record, and less to wait. Whoever waits may need a record, so one cannot use up the other's slots. */
export const besideSettings = {
  records: { ...gpuSettings, maxConcurrentActivityTaskExecutions: 20 },
  waits: { ...gpuSettings, maxConcurrentActivityTaskExecutions: 500 },
} satisfies Record<string, Partial<WorkerOptions>>;
