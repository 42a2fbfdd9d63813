/** Who is to be told of a turn's changes, and the workflows that tell them. */
import { ParentClosePolicy, startChild } from '@temporalio/workflow';
import type { AlertChange, AlertDelivery, Delivery, NamedSink } from '../contracts/alerts.ts';
import { isAlreadyStarted } from '../contracts/failures.ts';
import { taskQueues } from '../contracts/search.ts';
import { rank } from './alert-book.ts';
import type { AlertBook } from './alert-book.ts';
import { delivery as deliveryWorkflow, isRefresh } from './delivery.ts';

interface Occasion {
  /** The tick, or an alert's entry: the same turn told again sends under the same ids. */
  occasion: string;
  window: Delivery['window'];
  at: string;
}

/** At most one a receiver, about all that changed: ten columns that drift together are one message. */
export function deliveriesOf(
  { book, settings }: AlertBook,
  changes: readonly AlertChange[],
  { occasion, window, at }: Occasion,
): Delivery[] {
  return settings.sinks.flatMap((sink) => {
    const wanted = changes.filter((change) => isFor(sink, change));
    if (sink.to === 'log' || wanted.length === 0) return []; // the log is written with the record
    const id = `delivery/${book.model}/${occasion}/${sink.name}`;
    return [{ id, model: book.model, owner: settings.owner, sink, at, window, changes: wanted }];
  });
}

/** Who has acknowledged or snoozed is told when it gets worse and when it is over; the book changes nothing else then. */
function isFor(sink: NamedSink, { change, alert }: AlertChange): boolean {
  if (rank(alert.peak) < rank(sink.severity)) return false;
  return change !== 'updated' || (sink.to === 'alertmanager' && alert.state === 'open');
}

/** The delivery's line in an alert's record, if it is about that alert. */
export function pendingOf(delivery: Delivery, alertId: number): AlertDelivery[] {
  if (isRefresh(delivery)) return [];
  const { id, sink, at, changes } = delivery;
  return changes
    .filter(({ alert }) => alert.id === alertId)
    .map(({ change }) => ({ ...{ id, change, at, sink: sink.name }, state: 'pending', detail: '' }));
}

/** One that was sent before, by a run that was reset or lost, is not sent again. */
export async function send(delivery: Delivery): Promise<void> {
  try {
    await startChild(deliveryWorkflow, {
      workflowId: delivery.id,
      taskQueue: taskQueues.cpu,
      args: [delivery],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      staticSummary: `${delivery.model} → ${delivery.sink.name}: ${counted(delivery.changes.length)}`,
    });
  } catch (error) {
    if (!isAlreadyStarted(error)) throw error;
  }
}

const counted = (changes: number): string => (changes === 1 ? '1 change' : `${changes} changes`);
