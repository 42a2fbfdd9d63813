/** A mail about alerts: plain text, and those about one alert in one thread. */
import type { Delivery, NamedSink } from '../../contracts/alerts.ts';
import { sha256 } from '../../infra/digest.ts';
import type { OutgoingMail } from '../../infra/mail.ts';
import { facts, headline, sentence, shownAtMost, worst } from './text.ts';

/** Its id is the same at each try: most servers keep one of two with one id. */
export function mailOf(delivery: Delivery, sink: NamedSink & { to: 'email' }): OutgoingMail {
  const { changes, model, owner, id } = delivery;
  const shown = changes.slice(0, shownAtMost);
  const lines = shown.map((change) => {
    const { runbook } = change.alert;
    return [sentence(change), `  ${facts(change)}`, ...(runbook === undefined ? [] : [`  ${runbook}`])].join(
      '\n',
    );
  });
  const more = changes.length - shown.length;
  const foot = [`Owner: ${owner}`, `What is open: esteira alerts ${model}`];
  return {
    from: sink.from,
    to: sink.recipients,
    subject: `[${worst(changes)}] ${headline(delivery)}`.slice(0, 200),
    text: [...lines, ...(more > 0 ? [`and ${more} more`] : []), foot.join('\n')].join('\n\n'),
    messageId: `<${sha256(id).slice(0, 32)}@esteira>`,
    references: `<alert.${model}.${changes[0]!.alert.id}@esteira>`,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Esteira-Delivery': id },
  };
}
