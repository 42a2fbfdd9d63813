/** Commands that start lifecycles and follow them. */
import type { Command } from 'commander';
import { WorkflowFailedError } from '@temporalio/client';
import { rootFailure } from '../../contracts/failures.ts';
import type { LifecycleOutcome } from '../../contracts/lifecycle.ts';
import type { Disposition } from '../../contracts/model.ts';
import type { Esteira } from '../index.ts';
import { follow, mannerOf } from '../follow.ts';
import { exitCodes, say, seconds, table } from '../output.ts';
import { person, withEsteira } from './session.ts';

export function addRunCommands(program: Command): void {
  program
    .command('run <project>')
    .description('start a lifecycle of the project in this folder')
    .option('--until <time>', 'end of the data window, ISO 8601; now, if absent')
    .option('--reason <text>', 'why, for the record')
    .option('--as <person>', 'who asks', person())
    .option('--wait', 'follow it to its end')
    .option(
      '--drill-shuffle-labels',
      'drill: train on shuffled labels, so that the model has learned nothing',
    )
    .option('--drill-override-gates', 'drill: record a missed gate and go on')
    .option('--json', 'for machines')
    .action((project: string, options: RunOptions) =>
      withEsteira(async (esteira) => {
        const disposition = await esteira.run(project, {
          by: options.as,
          ...(options.reason && { reason: options.reason }),
          ...(options.until && { until: instant(options.until) }),
          ...drill(options),
        });
        await afterStart(esteira, disposition, options);
      }),
    );
  program
    .command('trigger <model>')
    .description('ask for a lifecycle of the project as it was last run')
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--until <time>', 'end of the data window, ISO 8601; now, if absent')
    .option('--id <id>', 'names the event, so that it counts once')
    .option('--as <person>', 'who asks', person())
    .option('--wait', 'follow it to its end')
    .option('--json', 'for machines')
    .action((model: string, options: RunOptions & { reason: string; id?: string }) =>
      withEsteira(async (esteira) => {
        const at = instant(options.until ?? new Date().toISOString());
        const id = options.id ?? `manual/${crypto.randomUUID()}`;
        const trigger = { id, kind: 'manual' as const, by: options.as, reason: options.reason, at };
        await afterStart(esteira, await esteira.trigger(model, trigger), options);
      }),
    );
  program
    .command('watch <lifecycle>')
    .description('follow a lifecycle to its end')
    .option('--json', 'for machines')
    .action((lifecycleId: string, { json = false }: { json?: boolean }) =>
      withEsteira((esteira) => followToEnd(esteira, lifecycleId, json)),
    );
  program
    .command('ls [model]')
    .description('lifecycles, newest first')
    .option('--limit <n>', 'at most so many', '20')
    .option('--json', 'for machines')
    .action((model: string | undefined, options: { limit: string; json?: boolean }) =>
      withEsteira(async (esteira) => {
        const rows = await esteira.list(model, Number(options.limit));
        const cells = rows.map((row) => [
          row.lifecycleId,
          row.outcome || `${row.stage} (${row.state})`,
          row.trigger,
          row.startedAt.slice(0, 19).replace('T', ' '),
          seconds(row.seconds),
        ]);
        say(options.json ?? false, rows, table(['lifecycle', 'where', 'trigger', 'started', 'took'], cells));
      }),
    );
  program
    .command('cancel <lifecycle>')
    .description('stop a lifecycle; nothing half-made is left')
    .option('--json', 'for machines')
    .action((lifecycleId: string, { json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        await esteira.cancel(lifecycleId);
        say(json, { lifecycleId, cancelled: true }, `${lifecycleId} is asked to stop`);
      }),
    );
}

interface RunOptions {
  until?: string;
  reason?: string;
  as: string;
  wait?: boolean;
  json?: boolean;
  drillShuffleLabels?: boolean;
  drillOverrideGates?: boolean;
}

function drill(options: RunOptions) {
  const shuffleLabels = options.drillShuffleLabels ?? false;
  const overrideGates = options.drillOverrideGates ?? false;
  return shuffleLabels || overrideGates ? { drill: { shuffleLabels, overrideGates } } : {};
}

/** A day, or a moment with its zone. @throws Error that says what would be right */
export function instant(text: string): string {
  const time = new Date(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  if (Number.isNaN(time.getTime()))
    throw new Error(`--until is "${text}"; give ISO 8601, such as 2001-02-01 or 2001-02-01T06:00:00Z`);
  return time.toISOString();
}

async function afterStart(esteira: Esteira, disposition: Disposition, options: RunOptions): Promise<void> {
  const { json = false, wait } = options;
  if (disposition.status !== 'started') {
    const why = {
      merged: () => (disposition.status === 'merged' ? `waits behind ${disposition.behind}` : ''),
      duplicate: () => 'this event was taken already',
      ignored: () => (disposition.status === 'ignored' ? disposition.why : ''),
    }[disposition.status]();
    say(json, disposition, `${disposition.status}: ${why}`);
    return;
  }
  if (!wait) return say(json, disposition, `${disposition.lifecycleId} started`);
  await followToEnd(esteira, disposition.lifecycleId, json);
}

async function followToEnd(esteira: Esteira, lifecycleId: string, json: boolean): Promise<void> {
  await follow(esteira, lifecycleId, mannerOf(json));
  try {
    const outcome = await esteira.outcome(lifecycleId);
    say(json, { lifecycleId, outcome }, sentence(lifecycleId, outcome));
    process.exitCode = codeOf(outcome.status);
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const failure = rootFailure(error.cause);
    throw new Error(
      `${lifecycleId} failed: ${failure ? `${failure.type}: ${failure.message}` : String(error.cause)}`,
      { cause: error },
    );
  }
}

function codeOf(status: LifecycleOutcome['status']): number {
  if (status === 'deployed') return exitCodes.done;
  return status === 'rejected' || status === 'expired' ? exitCodes.rejected : exitCodes.no;
}

function sentence(lifecycleId: string, outcome: LifecycleOutcome): string {
  switch (outcome.status) {
    case 'deployed':
      return `${lifecycleId}: version ${outcome.version} serves as champion (epoch ${outcome.epoch})`;
    case 'bad-data': {
      const broken = outcome.broken.filter(({ severity }) => severity === 'error');
      const lines = broken.map(({ check, detail, examples }) => {
        const shown = examples.slice(0, 3).map((example) => `\n    ${JSON.stringify(example)}`);
        return `  ${check}: ${detail}${shown.join('')}`;
      });
      return [`${lifecycleId}: the data is not good enough`, ...lines].join('\n');
    }
    case 'gate-missed': {
      const missed = outcome.scorecard.gates.filter(({ passed }) => !passed);
      const lines = missed.map(
        ({ metric, bound, limit, value }) => `  ${metric} is ${value ?? 'missing'}, ${bound} ${limit}`,
      );
      return [`${lifecycleId}: a gate said no`, ...lines].join('\n');
    }
    case 'rejected': {
      const [no] = outcome.verdict.decisions.filter(({ approved }) => !approved);
      return `${lifecycleId}: rejected by ${no?.by ?? 'nobody'}: ${no?.reason ?? ''}`;
    }
    case 'expired':
      return `${lifecycleId}: nobody decided in time, and silence is not consent`;
    case 'rolled-back':
      return `${lifecycleId}: version ${outcome.version} was rolled back: ${'reason' in outcome.rollout ? outcome.rollout.reason : ''}`;
    case 'superseded':
      return `${lifecycleId}: version ${outcome.version} was superseded: ${outcome.detail}`;
  }
}
