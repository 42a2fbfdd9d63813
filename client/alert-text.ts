/** Alerts as people read them. */
import type { AlertDelivery, AlertRecord, BookAlert } from '../contracts/alerts.ts';
import type { AlertList, AlertRow } from './alerts.ts';
import { counted, table } from './output.ts';

/** @param model its own column is left out then */
export function listText({ alerts, untold }: AlertList, model: string | undefined, all: boolean): string {
  if (alerts.length === 0) {
    const of = model === undefined ? '' : ` of ${model}`;
    return all ? `No alert${of} was ever opened.` : `No alert${of} is open.`;
  }
  const headings = ['alert', 'state', 'severity', 'about', 'since', 'last', 'ticks', 'owner', 'message'];
  const rows = alerts.map((row) => [...(model === undefined ? [row.model] : []), ...cells(row)]);
  const missing = alerts.flatMap((row) => row.undelivered.map((one) => [row, one] as const));
  return [
    table([...(model === undefined ? ['model'] : []), ...headings], rows),
    ...(missing.length > 0 ? ['', `${counted(missing.length, 'message')} not delivered:`] : []),
    ...missing.map(([row, one]) => `  ${row.model} ${row.id} → ${deliveryText(one)}`),
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
  const sent = record.deliveries.map(({ at, sink, change, state, detail }) => [
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

function deliveryText({ sink, change, state, detail, at }: AlertDelivery): string {
  const how = state === 'pending' ? 'still tried' : `given up: ${detail}`;
  return `${sink} (${change} ${moment(at)}, ${how})`;
}

const moment = (instant: string): string => instant.slice(0, 16).replace('T', ' ');
