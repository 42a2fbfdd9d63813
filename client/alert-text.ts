/** Alerts as people read them. */
import type { AlertRecord, BookAlert } from '../contracts/alerts.ts';
import type { AlertList, AlertRow, Undelivered } from './alerts.ts';
import { counted, table } from './output.ts';

/** @param model its own column is left out then */
export function listText(
  { alerts, undelivered, untold }: AlertList,
  model: string | undefined,
  all: boolean,
): string {
  const of = model === undefined ? '' : ` of ${model}`;
  const none = all ? `No alert${of} was ever opened.` : `No alert${of} is open.`;
  const headings = ['alert', 'state', 'severity', 'about', 'since', 'last', 'ticks', 'owner', 'message'];
  const rows = alerts.map((row) => [...(model === undefined ? [row.model] : []), ...cells(row)]);
  return [
    alerts.length > 0 ? table([...(model === undefined ? ['model'] : []), ...headings], rows) : none,
    ...(undelivered.length > 0 ? ['', `${counted(undelivered.length, 'message')} not delivered:`] : []),
    ...undelivered.map(deliveryText),
    ...(untold > 0 ? ['', `${counted(untold, 'more finding')} of the last tick found no room here.`] : []),
  ].join('\n');
}

function cells({ id, state, severity, key, since, last, count, owner, message }: AlertRow): string[] {
  return [
    ...[String(id), state, severity, key, moment(since), moment(last), String(count), owner],
    message.length > 80 ? `${message.slice(0, 79)}…` : message,
  ];
}

export function alertText(record: AlertRecord): string {
  const { model, id, key, severity, message, owner, runbook, since, last, count, reopened } = record;
  const again = reopened > 0 ? `, came back ${counted(reopened, 'time')}` : '';
  const history = record.history.map(({ at, what, by, detail }) => [moment(at), what, by, detail]);
  const inTime = record.deliveries.toSorted((a, b) => a.at.localeCompare(b.at));
  const sent = inTime.map(({ at, sink, change, state, detail }) => [
    ...[moment(at), sink, change, state, detail],
  ]);
  return [
    `${model} alert ${id}: ${key}, ${severity}, ${stateText(record)}`,
    `  says     ${message}`,
    `  since    ${moment(since)}, in ${counted(count, 'tick')}, last ${moment(last)}${again}`,
    `  owner    ${owner}`,
    ...(runbook === undefined ? [] : [`  runbook  ${runbook}`]),
    '',
    table(['when', 'what', 'by', 'why'], history),
    ...(sent.length > 0 ? ['', table(['when', 'to', 'about', 'is', 'answer'], sent)] : []),
  ].join('\n');
}

export function stateText({ state, snoozedUntil, by }: BookAlert): string {
  if (state === 'snoozed') return `snoozed until ${moment(snoozedUntil!)} by ${by}`;
  if (state === 'open' || by === null) return state;
  return `${state} by ${by}`;
}

/** `2 open, 1 critical`; for one line of a model's page. */
export function openText(open: readonly BookAlert[]): string {
  const critical = open.filter(({ severity }) => severity === 'critical').length;
  if (open.length === 0) return 'none open';
  return `${open.length} open${critical > 0 ? `, ${critical} critical` : ''}`;
}

/** `flights 1, 2 → pager since 2001-02-01 06:00, still tried (try 5: …)` */
function deliveryText({ model, alerts, sink, at, state, detail }: Undelivered): string {
  const numbers = `${alerts.slice(0, 5).join(', ')}${alerts.length > 5 ? ', …' : ''}`;
  const how = state === 'pending' ? 'still tried' : 'given up';
  return `  ${model} ${numbers} → ${sink}, since ${moment(at)}, ${how}${detail && ` (${detail})`}`;
}

const moment = (instant: string): string => instant.slice(0, 16).replace('T', ' ');
