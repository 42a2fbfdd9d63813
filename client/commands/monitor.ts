/** Commands about what monitoring saw, and what asked for a lifecycle. */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { say } from '../output.ts';
import { instant, positiveWhole, withEsteira } from './session.ts';

interface MonitorOptions {
  windows: number;
  until?: string;
  html?: string;
  json?: boolean;
}

interface TriggersOptions {
  why?: string;
  all?: boolean;
  json?: boolean;
}

interface BackfillOptions {
  from: string;
  to: string;
  parallel: number;
  json?: boolean;
}

const triggersShown = 20;

export function addMonitorCommands(program: Command): void {
  const monitor = program
    .command('monitor')
    .argument('<model>')
    .description('what monitoring saw: traffic, drift and quality, window by window')
    .option('--windows <n>', 'the newest so many', positiveWhole, 30)
    .option('--until <moment>', 'the last of them; the newest, if absent', instant)
    .option('--html <file>', 'a page with charts, and the last window whole')
    .option('--json', 'for machines')
    .action((model: string, { windows, until, html, json = false }: MonitorOptions) =>
      withEsteira(async ({ store }) => {
        const { detailsOf, ticksOf, watchingText } = await import('../monitoring/ticks.ts');
        const watching = await ticksOf(store, model, windows, until);
        if (html === undefined) return say(json, watching, watchingText(watching));
        const { monitoringPage } = await import('../monitoring/page.ts');
        await writeFile(html, await monitoringPage(watching, await detailsOf(store, watching)));
        return say(json, { html }, html);
      }),
    );
  monitor
    .command('backfill <model>')
    .description('make the ticks of the past anew: after labels have come late, or a rule has changed')
    .requiredOption('--from <moment>', 'ISO 8601', instant)
    .requiredOption('--to <moment>', 'ISO 8601', instant)
    .option('--parallel <n>', 'windows at once', positiveWhole, 4)
    .option('--json', 'for machines, a line whenever something changed')
    .action((model: string, _: object, command: Command) =>
      withEsteira(async (esteira) => {
        const { from, to: until, parallel, json = false } = command.optsWithGlobals<BackfillOptions>();
        const { followBackfill, startBackfill } = await import('../backfill.ts');
        const id = await startBackfill(esteira, model, { from, until, parallel });
        for await (const progress of followBackfill(esteira, id)) {
          const { done, of, changed } = progress;
          say(json, progress, `${done} of ${of} windows, ${changed} changed`);
        }
      }),
    );
  program
    .command('triggers <model>')
    .description('what asked for a lifecycle, and what became of it')
    .option('--why <id>', 'one of them, in sentences')
    .option('--all', `more than the newest ${triggersShown}`)
    .option('--json', 'for machines')
    .action((model: string, { why, all = false, json = false }: TriggersOptions) =>
      withEsteira(async ({ store }) => {
        const { triggerNamed, triggersOf, triggersText, whyText } = await import('../triggers.ts');
        const entries = await triggersOf(store, model);
        if (why === undefined)
          return say(json, entries, triggersText(entries, model, all ? Infinity : triggersShown));
        const entry = triggerNamed(entries, model, why);
        return say(json, entry, whyText(entry));
      }),
    );
}
