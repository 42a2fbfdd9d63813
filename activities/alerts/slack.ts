/**
 * A message for Slack's incoming webhooks: `text` for notifications, blocks to read.
 *
 * @see https://docs.slack.dev/reference/block-kit/blocks
 */
import type { AlertChange, Delivery } from '../../contracts/alerts.ts';
import type { Severity } from '../../contracts/alert.ts';
import { facts, headline, shownAtMost, worst } from './text.ts';

const marks: Record<Severity, string> = {
  info: ':information_source:',
  warning: ':warning:',
  critical: ':rotating_light:',
};

export function slackBody(delivery: Delivery): string {
  const { changes, owner, model } = delivery;
  const isOver = changes.every(({ change }) => change === 'closed');
  const title = headline(delivery);
  const shown = changes.slice(0, shownAtMost);
  const more = changes.length - shown.length;
  const foot = [
    `owner ${escaped(owner)}`,
    `\`esteira alerts ${model}\``,
    ...(more > 0 ? [`${more} more`] : []),
  ];
  return JSON.stringify({
    text: escaped(title),
    blocks: [
      {
        type: 'header',
        text: {
          type: 'plain_text',
          emoji: true,
          text: cut(`${isOver ? ':white_check_mark:' : marks[worst(changes)]} ${title}`, 150),
        },
      },
      ...shown.map((change) => ({
        type: 'section',
        text: { type: 'mrkdwn', text: cut(sectionOf(change), 3_000) },
      })),
      { type: 'context', elements: [{ type: 'mrkdwn', text: foot.join(' · ') }] },
    ],
  });
}

function sectionOf(change: AlertChange): string {
  const { alert, was } = change;
  const { severity, key, message, runbook } = alert;
  const link = runbook === undefined ? '' : ` <${escaped(runbook)}|runbook>`;
  const rise = was ? `${was} → ` : '';
  return `*${change.change}* ${rise}${severity} \`${escaped(key)}\`\n${escaped(message)}\n_${escaped(facts(change))}_${link}`;
}

/** @see https://docs.slack.dev/messaging/formatting-message-text, "Escaping text" */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1)}…`;
