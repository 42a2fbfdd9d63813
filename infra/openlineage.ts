/**
 * A receiver of OpenLineage events, and the line in which they wait for it.
 *
 * Who tells does not wait. One event goes after the other, so that a run begins before it ends. A receiver that is down
 * is asked again, ever later, and costs one line in the log; what finds no room meanwhile is dropped, oldest first. What
 * it refuses (4xx) is not sent twice.
 *
 * @see https://openlineage.io/docs/client/python#http-transport
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { LineageSettings } from './config-receivers.ts';

/** Puts together what is to be sent, when its turn comes. */
export type Making = () => Promise<readonly object[]>;

export interface LineageReceiver {
  readonly namespace: string;
  tell(making: Making): void;
  /** Waits until nothing is left to be sent, so long at most; not at all while the receiver is down. */
  idle(atMostMs: number): Promise<void>;
  /** Sends what is left, in a few seconds at most. */
  close(): Promise<void>;
}

interface Log {
  warn(about: object, message: string): void;
  info(about: object, message: string): void;
}

const requestMs = 10_000;
const waitingAtMost = 1_000;
const firstRetryMs = 1_000;
const lastRetryMs = 60_000;
const closeMs = 5_000;

export function openLineageReceiver(settings: LineageSettings, log: Log): LineageReceiver {
  const waiting: Making[] = [];
  const closing = new AbortController();
  let running: Promise<void> | undefined;
  let down = false;
  let dropped = 0;

  async function work(): Promise<void> {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      for (const event of await made(next)) await sent(event);
    }
  }

  async function made(making: Making): Promise<readonly object[]> {
    try {
      return await making();
    } catch (error) {
      log.warn({ err: error }, 'lineage could not be told, for what it is about cannot be read');
      return [];
    }
  }

  async function sent(event: object): Promise<void> {
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(2 * waitMs, lastRetryMs)) {
      const fault = await post(settings, event);
      if (fault === undefined) return taken();
      if (fault.refused) return log.warn({ event }, `the receiver of lineage refused an event: ${fault.why}`);
      if (!down) log.warn({}, `lineage waits for its receiver: ${fault.why}`);
      down = true;
      await delay(waitMs, undefined, { signal: closing.signal }).catch(() => undefined);
      if (closing.signal.aborted) return;
    }
  }

  function taken(): void {
    if (down) log.info({ dropped }, `the receiver of lineage is back; ${dropped} messages found no room`);
    [down, dropped] = [false, 0];
  }

  return {
    namespace: settings.namespace,
    tell(making) {
      if (waiting.length >= waitingAtMost) {
        waiting.shift();
        dropped++;
      }
      waiting.push(making);
      running ??= work().finally(() => {
        running = undefined;
      });
    },
    async idle(atMostMs) {
      if (!down) await within(running, atMostMs);
    },
    async close() {
      if (!down) await within(running, closeMs);
      const lost = waiting.length;
      if (lost > 0 || running) log.warn({ lost }, 'lineage ends here, and not all of it was told');
      waiting.length = 0;
      closing.abort();
    },
  };
}

async function within(promise: Promise<void> | undefined, ms: number): Promise<void> {
  if (!promise) return;
  const over = new AbortController();
  await Promise.race([
    promise,
    delay(ms, undefined, { signal: over.signal, ref: false }).catch(() => undefined),
  ]);
  over.abort();
}

/** @returns undefined when it was taken */
async function post(
  { url, apiKey }: LineageSettings,
  event: object,
): Promise<{ refused: boolean; why: string } | undefined> {
  const { host } = new URL(url);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey && { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(event),
      redirect: 'error', // a key must not follow to another host
      signal: AbortSignal.timeout(requestMs),
    });
    const text = await response.text();
    if (response.ok) return undefined;
    const refused = response.status < 500 && ![401, 403, 404, 408, 429].includes(response.status);
    return { refused, why: `${host} answered ${response.status} ${text.slice(0, 300)}`.trimEnd() };
  } catch (error) {
    const cause = (error as Error).cause ?? error;
    return { refused: false, why: `${host} cannot be reached: ${(cause as Error).message}` };
  }
}
