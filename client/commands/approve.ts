/** Commands for the people who decide. */
import type { Command } from 'commander';
import { WorkflowNotFoundError } from '@temporalio/client';
import { exitCodes, say, table } from '../output.ts';
import { person, withEsteira } from './session.ts';

export function addApproveCommands(program: Command): void {
  program
    .command('approvals')
    .description('requests that wait for somebody')
    .option('--json', 'for machines')
    .action(({ json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const waiting = await esteira.approvals();
        const rows = waiting.map(({ request, missing, dueAt }) => [
          request.requestId,
          missing,
          dueAt.slice(0, 16).replace('T', ' '),
          request.requester,
          request.summary,
        ]);
        const text =
          rows.length === 0
            ? 'Nothing waits for approval.'
            : table(['request', 'waits for', 'until', 'asked by', 'about'], rows);
        say(json, waiting, text);
      }),
    );
  for (const [verb, approved] of [
    ['approve', true],
    ['reject', false],
  ] as const) {
    program
      .command(`${verb} <request>`)
      .description(`${verb} a request; the decision and its reason are recorded`)
      .requiredOption('--reason <text>', 'why; it is kept for ever')
      .option('--as <person>', 'who decides', person())
      .option('--json', 'for machines')
      .action((requestId: string, options: { reason: string; as: string; json?: boolean }) =>
        withEsteira(async (esteira) => {
          try {
            const receipt = await esteira.decide(requestId, {
              approved,
              by: options.as,
              reason: options.reason,
            });
            const text = receipt.accepted
              ? `recorded; ${requestId} is ${receipt.verdict}${receipt.missing ? `, still needs ${receipt.missing}` : ''}`
              : `refused (${receipt.code}): ${receipt.detail}`;
            say(options.json ?? false, receipt, text);
            if (!receipt.accepted) process.exitCode = exitCodes.rejected;
          } catch (error) {
            if (!(error instanceof WorkflowNotFoundError)) throw error;
            throw new Error(`no request ${requestId} is open; \`esteira approvals\` lists those that are`, {
              cause: error,
            });
          }
        }),
      );
  }
}
