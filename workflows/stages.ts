/**
 * How the workflows reach the activities: one proxy per kind of work, with the reason of its bounds.
 *
 * Each has a bound in time over all attempts (`scheduleToCloseTimeout`), so that nothing is retried
 * for ever, and a heartbeat where a dead worker should be noticed before the attempt's own bound.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { AllActivities } from '../contracts/activities.ts';
import { taskQueues } from '../contracts/search.ts';

// Minutes of I/O and arithmetic; the heartbeat timeout is what a killed worker costs.
export const onCpu = proxyActivities<
  Pick<AllActivities, 'ingest' | 'validate' | 'prepare' | 'chooseTrial' | 'evaluate' | 'deploy'>
>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: '1 hour',
  scheduleToCloseTimeout: '6 hours',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 20 },
});

// Hours, in a child process that checkpoints: the next attempt goes on where the lost one stood.
const training = {
  startToCloseTimeout: '12 hours',
  scheduleToCloseTimeout: '3 days',
  heartbeatTimeout: '10 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 50 },
} as const;
type Training = Pick<AllActivities, 'train' | 'trial'>;
export const trainOn = {
  cpu: proxyActivities<Training>({ taskQueue: taskQueues.cpu, ...training }),
  gpu: proxyActivities<Training>({ taskQueue: taskQueues.gpu, ...training }),
};

// Looks every few seconds until somebody comes, for as long as a project may wait for a machine.
export const waiting = proxyActivities<Pick<AllActivities, 'awaitWorker'>>({
  taskQueue: taskQueues.waits,
  startToCloseTimeout: '30 days',
  scheduleToCloseTimeout: '30 days',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
});

// One small write or one message. A store that is down for an hour must not lose a promotion.
const small = {
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '2 hours',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '20 seconds' },
} as const;
export const quick = proxyActivities<
  Pick<
    AllActivities,
    | 'recordApproval'
    | 'recordDisposition'
    | 'findDisposition'
    | 'spent'
    | 'isRunning'
    | 'writeVersion'
    | 'writeSlots'
    | 'writeQuarantine'
    | 'writeRelease'
    | 'recordRollout'
    | 'recall'
    | 'watch'
  >
>({ taskQueue: taskQueues.records, ...small });

// Asked of the model entity, which answers when it has written down what it did.
export const ofModel = proxyActivities<
  Pick<AllActivities, 'requestPromotion' | 'shift' | 'quarantine' | 'tellSettled'>
>({ taskQueue: taskQueues.waits, ...small });

// Watching replicas: they need time to load; a replica set that is down for 10 minutes is an answer.
export const onReplicas = proxyActivities<Pick<AllActivities, 'settle' | 'observe'>>({
  taskQueue: taskQueues.waits,
  startToCloseTimeout: '10 minutes',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '20 seconds' },
});

// Batch scoring. Hours in a child process; each part that is in the output stays there, so an attempt costs one part.
export const onScore = proxyActivities<Pick<AllActivities, 'planScore' | 'scoreBatch' | 'closeScore'>>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: '12 hours',
  scheduleToCloseTimeout: '3 days',
  heartbeatTimeout: '10 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 10 },
});

// A pass over one window of the prediction log. The next tick comes anyway, so it is not chased for days.
const tick = {
  startToCloseTimeout: '30 minutes',
  scheduleToCloseTimeout: '2 hours',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 10 },
} as const;
export const onTick = proxyActivities<
  Pick<AllActivities, 'monitor' | 'staleTicks' | 'retrain' | 'notify' | 'compact'>
>({ taskQueue: taskQueues.cpu, ...tick });
export const toBook = proxyActivities<Pick<AllActivities, 'tellAlerts'>>({
  taskQueue: taskQueues.waits,
  ...tick,
});

// What a book has decided is written down, however long the store is away: else its alert would be open, and nobody told.
export const onBook = proxyActivities<
  Pick<AllActivities, 'recallAlerts' | 'recordAlerts' | 'resumeDeliveries' | 'recordDelivery'>
>({
  taskQueue: taskQueues.records,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '30 days',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '20 seconds' },
});

// A receiver may be down for a weekend. Once an hour at most, which is how late it hears after it is up again.
export const sending = proxyActivities<Pick<AllActivities, 'deliver'>>({
  taskQueue: taskQueues.waits,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '3 days',
  retry: { initialInterval: '1 second', backoffCoefficient: 3, maximumInterval: '1 hour' },
});

// A copy for people, or tidying up: a few tries, and the run ends without it.
const beside = {
  startToCloseTimeout: '10 minutes',
  scheduleToCloseTimeout: '30 minutes',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds', maximumAttempts: 5 },
} as const;
export const aside = proxyActivities<Pick<AllActivities, 'track'>>({
  taskQueue: taskQueues.waits,
  ...beside,
});
export const afterwards = proxyActivities<Pick<AllActivities, 'tidyScore'>>({
  taskQueue: taskQueues.cpu,
  ...beside,
});
