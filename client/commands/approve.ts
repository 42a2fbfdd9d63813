/** Commands for the people who decide. */
import type { Command } from 'commander';
import type { DecisionReceipt } from '../../contracts/approval.ts';
import { exitCodes, say } from '../output.ts';
import { person, reason, withEsteira } from './session.ts';

export function addApproveCommands(program: Command): void {
  program
    .command('approvals')
    .description('requests that wait for somebody, with their reports')
    .option('--json', 'for machines')
    .action(({ json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const waiting = await Promise.all(
          (await esteira.approvals()).map(async (state) => ({
            ...state,
            report: await esteira.report(state.request.report, state.request.requestId),
          })),
        );
        const text = waiting.map(({ request, missing, dueAt, report }) =>
          [
            request.requestId,
            `  waits for  ${missing}`,
            `  until      ${dueAt.slice(0, 16).replace('T', ' ')} UTC`,
            `  asked by   ${request.requester}`,
            `  about      ${request.summary}`,
            `  report     ${report}`,
            `  answer     esteira approve ${request.requestId} --reason "…"   (or reject)`,
          ].join('\n'),
        );
        say(json, waiting, text.join('\n\n') || 'Nothing waits for approval.');
      }),
    );
  addDecision(program, 'approve', true);
  addDecision(program, 'reject', false);
}

function addDecision(program: Command, verb: string, approved: boolean): void {
  program
    .command(`${verb} <request>`)
    .description(`${verb} a request; the decision and its reason are recorded`)
    .requiredOption('--reason <text>', 'why; it is kept for ever', reason)
    .option('--as <person>', 'who decides', person())
    .option('--json', 'for machines')
    .action((requestId: string, options: { reason: string; as: string; json?: boolean }) =>
      withEsteira(async (esteira) => {
        const decision = { approved, by: options.as, reason: options.reason };
        const receipt = await esteira.decide(requestId, decision);
        say(options.json ?? false, receipt, sentence(requestId, receipt));
        if (!receipt.accepted) process.exitCode = exitCodes.no;
      }),
    );
}

function sentence(requestId: string, receipt: DecisionReceipt): string {
  if (!receipt.accepted) return `refused (${receipt.code}): ${receipt.detail}`;
  const still = receipt.missing ? `, still needs ${receipt.missing}` : '';
  return `recorded; ${requestId} is ${receipt.verdict}${still}`;
}
