/**
 * One message to one receiver, tried until it is taken, for three days: a receiver that is down for a weekend hears all
 * the same. Its id is its own, and the same at each try, so that a receiver can tell a second try from a second message.
 */
import { CancellationScope, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { Delivery } from '../contracts/alerts.ts';
import { rootFailure } from '../contracts/failures.ts';
import { onBook, sending } from './stages.ts';

/** The next tick brings the same again. */
const refreshFor = '1 hour';

/** @throws ActivityFailure when it was refused for good, or nobody took it in time; the alerts' records say so, too. */
export async function delivery(order: Delivery): Promise<{ answer: string }> {
  show(order, 'running', 'is being tried');
  const end = async (state: 'delivered' | 'failed', detail: string) => {
    show(order, 'closed', `${state}: ${detail}`, state);
    if (!isRefresh(order)) await onBook.recordDelivery({ delivery: order, state, detail });
  };
  try {
    const summary = `to ${order.sink.name}`;
    const bound = isRefresh(order) ? { scheduleToCloseTimeout: refreshFor } : {};
    const taken = await sending.deliver.executeWithOptions({ summary, ...bound }, [order]);
    await end('delivered', taken.answer);
    return taken;
  } catch (error) {
    const why = rootFailure(error)?.message ?? String(error);
    await CancellationScope.nonCancellable(() => end('failed', why.slice(0, 500)));
    throw error;
  }
}

/** Nothing but how things stand, for a receiver that forgets. */
export function isRefresh({ changes }: Delivery): boolean {
  return changes.every(({ change }) => change === 'updated');
}

function show(order: Delivery, state: string, how: string, outcome?: string): void {
  upsertSearchAttributes({
    EsteiraModel: [order.model],
    EsteiraStage: ['monitor'],
    EsteiraState: [state],
    ...(outcome && { EsteiraOutcome: [outcome] }),
  });
  const lines = order.changes.map(
    ({ change, alert }) => `- ${change} **${alert.severity}** ${alert.message}`,
  );
  setCurrentDetails([`### ${order.model} → ${order.sink.name}`, how, '', ...lines.slice(0, 30)].join('\n'));
}
