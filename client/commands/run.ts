/** Commands that start lifecycles and follow them. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { StageName } from '../../contracts/stage.ts';
import type { Disposition } from '../../contracts/model.ts';
import type { Esteira } from '../index.ts';
import { say, seconds, table } from '../output.ts';
import { instant, lifecycleId, person, positiveWhole, reason, withEsteira } from './session.ts';

interface RunOptions {
  until?: string;
  reason?: string;
  as: string;
  wait?: boolean;
  json?: boolean;
  cache?: boolean;
  recover?: boolean;
  from?: StageName;
  drillShuffleLabels?: boolean;
  drillOverrideGates?: boolean;
}

export function addRunCommands(program: Command): void {
  addRun(program);
  addTrigger(program);
  program
    .command('watch <lifecycle>')
    .description('follow a lifecycle to its end: orders/1, or lifecycle/orders/1')
    .option('--json', 'for machines, a line whenever something changed')
    .action((name: string, { json = false }: { json?: boolean }) =>
      withEsteira((esteira) => toEnd(esteira, lifecycleId(name), json)),
    );
  program
    .command('ls [model]')
    .description('lifecycles, newest first')
    .option('--limit <n>', 'at most so many', positiveWhole, 20)
    .option('--json', 'for machines')
    .action((model: string | undefined, options: { limit: number; json?: boolean }) =>
      withEsteira((esteira) => list(esteira, model, options)),
    );
  program
    .command('cancel <lifecycle>')
    .description('stop a lifecycle, or a scoring (score/…); nothing half-made is left')
    .option('--json', 'for machines')
    .action((name: string, { json = false }: { json?: boolean }) =>
      withEsteira((esteira) => cancel(esteira, name, json)),
    );
}

function addRun(program: Command): void {
  program
    .command('run <project>')
    .description('start a lifecycle of the project in this folder')
    .option('--until <time>', 'end of the data window, ISO 8601; now, if absent', instant)
    .option('--reason <text>', 'why, for the record', reason)
    .option('--as <person>', 'who asks', person())
    .option('--wait', 'follow it to its end')
    .option('--no-cache', 'every stage works, although an equal run has its result')
    .addOption(
      new Option(
        '--from <stage>',
        'this stage and those after it work; those before may use results',
      ).choices(reusable),
    )
    .option('--recover', 'the last run, which failed, once more: what it had made is used again')
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
          ...(options.until && { until: options.until }),
          ...(options.recover && { recover: true }),
          ...reuse(options),
          ...drill(options),
        });
        await afterStart(esteira, disposition, options);
      }),
    );
}

function addTrigger(program: Command): void {
  program
    .command('trigger <model>')
    .description('ask for a lifecycle of the project as it was last run')
    .requiredOption('--reason <text>', 'why, for the record', reason)
    .option('--until <time>', 'end of the data window, ISO 8601; now, if absent', instant)
    .option('--id <id>', 'names the event, so that it counts once')
    .option('--as <person>', 'who asks', person())
    .option('--wait', 'follow it to its end')
    .option('--json', 'for machines')
    .action((model: string, options: RunOptions & { reason: string; id?: string }) =>
      withEsteira(async (esteira) => {
        const at = options.until ?? new Date().toISOString();
        const id = options.id ?? `manual/${crypto.randomUUID()}`;
        const trigger = { id, kind: 'manual' as const, by: options.as, reason: options.reason, at };
        await afterStart(esteira, await esteira.trigger(model, trigger), options);
      }),
    );
}

/** Stages whose results may be used again. */
const reusable = ['ingest', 'prepare', 'train', 'evaluate'] as const satisfies readonly StageName[];

function reuse({ cache, from }: RunOptions) {
  if (cache === false) return { reuse: { off: true } };
  return from ? { reuse: { off: false, from } } : {};
}

function drill(options: RunOptions) {
  const shuffleLabels = options.drillShuffleLabels ?? false;
  const overrideGates = options.drillOverrideGates ?? false;
  return shuffleLabels || overrideGates ? { drill: { shuffleLabels, overrideGates } } : {};
}

async function cancel(esteira: Esteira, name: string, json: boolean): Promise<void> {
  if (name.startsWith('score/')) {
    const { cancelScore } = await import('../score.ts');
    await cancelScore(esteira, name);
    return say(json, { scoreId: name, cancelled: true }, `${name} is asked to stop`);
  }
  const id = lifecycleId(name);
  await esteira.cancel(id);
  const text = `${id} is asked to stop; \`esteira watch ${id}\` shows it end`;
  say(json, { lifecycleId: id, cancelled: true }, text);
}

async function list(esteira: Esteira, model: string | undefined, options: { limit: number; json?: boolean }) {
  const rows = await esteira.list(model, options.limit);
  const cells = rows.map((row) => [
    row.lifecycleId,
    row.outcome || `${row.stage} (${row.state})`,
    row.trigger,
    row.startedAt.slice(0, 19).replace('T', ' '),
    seconds(row.seconds),
  ]);
  const none = `No lifecycle${model ? ` of ${model}` : ''} yet; \`esteira run <project>\` starts one.`;
  const text =
    cells.length > 0 ? table(['lifecycle', 'where', 'trigger', 'started (UTC)', 'took'], cells) : none;
  say(options.json ?? false, rows, text);
}

export async function afterStart(
  esteira: Esteira,
  disposition: Disposition,
  options: Pick<RunOptions, 'json' | 'wait'>,
): Promise<void> {
  const { json = false, wait } = options;
  if (wait && disposition.status === 'started') return toEnd(esteira, disposition.lifecycleId, json);
  if (wait && disposition.status === 'merged') {
    if (!json) process.stdout.write(`${dispositionText(disposition)}\n`);
    return toEnd(esteira, await esteira.after(disposition.behind), json);
  }
  say(json, disposition, dispositionText(disposition));
}

function dispositionText(disposition: Disposition): string {
  switch (disposition.status) {
    case 'started':
      return `${disposition.lifecycleId} started; \`esteira watch ${disposition.lifecycleId}\` follows it`;
    case 'merged':
      return `taken; its lifecycle starts when ${disposition.behind} is over`;
    case 'duplicate':
      return 'duplicate: an event of this id was taken already';
    case 'ignored':
      return `ignored: ${disposition.why}`;
    case 'waiting':
      return `taken; its lifecycle starts at ${disposition.until}: ${disposition.why}`;
    case 'suggested':
      return `recorded as a suggestion: ${disposition.why}`;
  }
}

async function toEnd(esteira: Esteira, id: string, json: boolean): Promise<void> {
  const { followToEnd } = await import('../follow-to-end.ts');
  await followToEnd(esteira, id, json);
}
