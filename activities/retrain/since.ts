/** Since when the world is another one: the first of the windows that, one after the other up to now, were not as before. */
import { TickRecord } from '../../contracts/monitor.ts';
import { readJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { tickKey } from '../monitor/look.ts';

const windowsAtMost = 400;

/** What an alert of these kinds says is that rows changed, or what they mean. */
const changes = new Set(['drift', 'prediction', 'quality', 'concept']);

/** @returns where that window begins: this one, if the one before it was quiet */
export async function changedSince(store: Store, model: string, tick: TickRecord): Promise<string> {
  let first = startOf(tick);
  const [from, until] = [Date.parse(tick.window.from), Date.parse(tick.window.until)];
  for (let i = 1; i <= windowsAtMost; i++) {
    const window = { ...tick.window, until: new Date(until - i * (until - from)).toISOString() };
    const before = (await readJson(store, tickKey(model, window), TickRecord))?.value;
    if (before?.version !== tick.version || !before.alerts.some(({ kind }) => changes.has(kind))) break;
    first = startOf(before);
  }
  return first;
}

/** Where only quality is worse, the rows that show it are of the window whose labels have come. */
function startOf({ window, alerts, quality }: TickRecord): string {
  const shifted = alerts.some(({ kind }) => kind === 'drift' || kind === 'prediction');
  return !shifted && quality ? quality.window.from : window.from;
}
