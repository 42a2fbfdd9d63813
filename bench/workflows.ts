/** Runs that do nothing, so that what is measured is the cost of being durable. */
import { proxyActivities } from '@temporalio/workflow';

const step = proxyActivities<{ nothing(): Promise<void>; nap(ms: number): Promise<void> }>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: '10 seconds', // as the stages have it
});

/** One activity after the other. */
export async function steps(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await step.nothing();
}

/** A step done, a long one, a step after. */
export async function napping(ms: number): Promise<void> {
  await step.nothing();
  await step.nap(ms);
  await step.nothing();
}
