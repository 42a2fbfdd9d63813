/**
 * The book of one model's alerts: what is open, since when, who knows of it. Ticks tell it what they found, people what
 * they think of it; it writes each change to the store and starts one delivery a receiver.
 *
 * It lives for ever by continue-as-new, takes updates only, and never waits for a receiver: a delivery is a workflow of
 * its own, that goes on for days after it.
 */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { Acknowledgement, Findings, Snooze } from '../contracts/alerts.ts';
import type { AlertAnswer, Book, Delivery } from '../contracts/alerts.ts';
import { AlertBook } from './alert-book.ts';
import type { Turn } from './alert-book.ts';
import { deliveriesOf, pendingOf, send } from './alert-deliveries.ts';
import * as messages from './messages.ts';
import { ending } from './ending.ts';
import { Mutex } from './mutex.ts';
import { onBook } from './stages.ts';

/** Server suggests at 4,096 events; tests ask for less. */
const eventsAtMost = 4_000;

function newBook(model: string): Book {
  return {
    ...{ model, revision: 0, nextId: 1, settings: null, alerts: [], ticks: [], judgedUntil: {}, untold: 0 },
  };
}

/** @param input the model's name at the very start; its book when it continues as new. */
export async function alerts(input: string | Book, limit = eventsAtMost): Promise<never> {
  const book = new AlertBook(typeof input === 'string' ? newBook(input) : input);
  const mutex = new Mutex();
  const { full, valid } = ending(mutex, limit);
  const person =
    <T>(act: (order: T, now: string) => AlertAnswer) =>
    (order: T) =>
      mutex.run(() => turn(book, (now) => act.call(book, order, now), occasionOf, null));

  // The server's state may have been lost: what the store has is the first turn, taken before any handler is set.
  const recalled = typeof input === 'string' && mutex.run(() => recall(book));
  setHandler(messages.alertsQuery, () => book.book);
  setHandler(
    messages.observeUpdate,
    (told) =>
      mutex.run(() =>
        turn(
          book,
          (now) => book.observe(told, now),
          () => told.tick,
          told.window,
        ),
      ),
    valid(Findings),
  );
  setHandler(messages.acknowledgeUpdate, person(book.acknowledge), valid(Acknowledgement));
  setHandler(messages.snoozeUpdate, person(book.snooze), valid(Snooze));
  setHandler(messages.closeUpdate, person(book.close), valid(Acknowledgement));

  await recalled;
  show(book);
  await condition(full);
  await condition(() => allHandlersFinished() && !mutex.locked);
  return continueAsNew<typeof alerts>(book.book, limit);
}

/** @param found what the store has. Whoever wrote it may have been ended before everybody was told. */
async function goOnFrom({ book }: AlertBook, found: Book): Promise<void> {
  Object.assign(book, found);
  await onBook.resumeDeliveries({ model: book.model });
}

async function recall(book: AlertBook): Promise<void> {
  const found = await onBook.recallAlerts({ model: book.book.model });
  if (found) await goOnFrom(book, found);
}

/** The same entry written again sends under the same id. */
const occasionOf = (answer: AlertAnswer): string =>
  answer.accepted ? `${answer.alert.id}-${answer.alert.entries}` : 'refused';

/**
 * One message: what it changes is written down before anybody is told of it. A run that was reset lives in the past, and
 * notices by the store, which is ahead: then it goes on from there.
 */
async function turn<T>(
  book: AlertBook,
  act: (now: string) => T,
  occasion: (answer: T) => string,
  window: Findings['window'] | null,
): Promise<T> {
  for (;;) {
    const at = new Date().toISOString();
    const answer = act(at);
    const { changes, touched } = book.taken();
    const deliveries = deliveriesOf(book, changes, { occasion: occasion(answer), window, at });
    const ahead = touched.size > 0 && (await record(book, touched, deliveries));
    if (ahead) {
      await goOnFrom(book, ahead);
      continue;
    }
    show(book);
    for (const one of deliveries) await send(one);
    return answer;
  }
}

/** @returns the store's book where it is ahead of this one, which is not written then */
function record(book: AlertBook, touched: Turn['touched'], deliveries: Delivery[]): Promise<Book | null> {
  book.book.revision++;
  return onBook.recordAlerts({
    book: book.book,
    alerts: [...touched].map(([{ id }, entries]) => ({
      ...{ id, entries },
      deliveries: deliveries.flatMap((one) => pendingOf(one, id)),
    })),
  });
}

function show(book: AlertBook): void {
  const { active, settings } = book;
  const { model, untold } = book.book;
  upsertSearchAttributes({
    EsteiraModel: [model],
    EsteiraStage: ['monitor'],
    EsteiraState: ['waiting'],
    EsteiraOutcome: [active.length > 0 ? 'alert' : 'quiet'],
  });
  const rows = active.map(
    ({ id, state, severity, key, since, count, message }) =>
      `| ${id} | ${state} | ${severity} | ${cell(key)} | ${since.slice(0, 16)} | ${count} | ${cell(message)} |`,
  );
  const lines = [
    `### ${model}: ${active.length} open alert${active.length === 1 ? '' : 's'}`,
    `owner **${settings.owner}**`,
    ...(untold > 0 ? [`${untold} more were found than there is room for`] : []),
    ...(rows.length > 0
      ? ['', '| | state | severity | about | since | ticks | |', '|-|-|-|-|-|-|-|', ...rows.slice(0, 30)]
      : []),
  ];
  setCurrentDetails(lines.join('\n'));
}

/** Names of columns may hold anything, and a table ends at a line or a bar. */
const cell = (text: string): string => text.replaceAll(/[|\r\n]+/g, ' ').slice(0, 120);
