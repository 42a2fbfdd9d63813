/** `esteira runs …`: every training, found and compared. They read the store alone: no server need run. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { Catalogue } from '../experiments/catalogue.ts';
import type { Run } from '../experiments/run.ts';
import type { Condition } from '../experiments/where.ts';
import { counted, say } from '../output.ts';
import { positiveWhole } from './session.ts';

interface ListOptions {
  sort?: string;
  asc?: boolean;
  where?: string;
  limit: number;
  trials?: boolean;
  json?: boolean;
}

export function addExperimentCommands(program: Command): void {
  const runs = program.command('runs').description('every training: list, show, compare, export');
  runs
    .command('ls [of]')
    .description('lifecycles that trained, newest first: all, those of flights, or flights/3 alone')
    .option('--sort <name>', 'by a metric, a parameter or a field: roc_auc, param.lr, seconds')
    .option('--asc', 'least first')
    .option('--where <conditions>', `such as 'param.lr<0.01 and metric.roc_auc>=0.7 and backend=python'`)
    .option('--limit <n>', 'at most so many', positiveWhole, 20)
    .option('--trials', 'the trials of searches instead')
    .option('--json', 'for machines')
    .action(list);
  runs
    .command('show <run>')
    .description('one run, all of it: flights/3, or the trial flights/3/17')
    .option('--diff', 'what was changed and not committed when it ran')
    .option('--log', 'the last lines of the trainer')
    .option('--json', 'for machines')
    .action(show);
  runs
    .command('compare <runs...>')
    .description('what differs between runs, or with --trials between the trials of one')
    .option('--trials', 'the trials of the searches of these lifecycles')
    .option('--metric <name>', 'what the best is told by')
    .option('--html <file>', 'write a page with curves, parallel coordinates and importances')
    .option('--json', 'for machines')
    .action(compare);
  runs
    .command('export [of]')
    .description('every run one row, as CSV on standard output or in a file')
    .option('--csv [file]', 'CSV; into this file, if given', csvFile)
    .option('--trials', 'the trials of searches instead')
    .option('--json', 'JSON instead')
    .action(exportRuns);
}

async function list(of: string | undefined, options: ListOptions): Promise<void> {
  const { matching, parseWhere, sorted } = await import('../experiments/where.ts');
  const { namesIn } = await import('../experiments/names.ts');
  const { runsTable } = await import('../experiments/table.ts');
  const { sort = 'started', asc = false, where, limit, trials = false, json = false } = options;
  const conditions: Condition[] = where === undefined ? [] : parseWhere(where);
  const { runs, faults } = await catalogue(of, trials);
  const names = namesIn(runs);
  const found = matching(sorted(runs, sort, asc, names), conditions, names);
  const shown = found.slice(0, limit);
  const asked = [...(options.sort ? [sort] : []), ...conditions.map(({ name }) => name)];
  const rest =
    found.length > shown.length ? `\n${found.length - shown.length} more; --limit shows them.` : '';
  const text = shown.length > 0 ? runsTable(shown, asked, names) + rest : none(runs, of, trials);
  say(json, shown, text);
  warn(faults);
}

function none(runs: readonly Run[], of: string | undefined, trials: boolean): string {
  if (runs.length > 0) return `None of ${counted(runs.length, 'run')} meets the conditions.`;
  const whose = of ? ` of ${of}` : '';
  return trials
    ? `No search${whose} has a trial yet; \`search:\` in the project starts one.`
    : `No run${whose} has trained yet; \`esteira run <project>\` starts one.`;
}

/** @param of a model, or one of its lifecycles; all, if absent */
async function catalogue(of: string | undefined, trials: boolean): Promise<Catalogue> {
  const { readCatalogue } = await import('../experiments/catalogue.ts');
  const { runName } = await import('../experiments/read.ts');
  const { withStore } = await import('../experiments/session.ts');
  const { model, number } = of?.includes('/') ? runName(of) : { model: of };
  const scope = { model, ...(number !== undefined && { number }), trials };
  return withStore((store, cacheHome) => readCatalogue(store, { cacheHome, ...scope }));
}

function warn(faults: readonly string[]): void {
  const most = 5;
  for (const fault of faults.slice(0, most)) process.stderr.write(`${fault}\n`);
  if (faults.length > most) process.stderr.write(`${faults.length - most} more cannot be read.\n`);
}

async function show(name: string, options: { diff?: boolean; log?: boolean; json?: boolean }): Promise<void> {
  const { readRun } = await import('../experiments/read.ts');
  const { artifactsOf, diffText, logText, wholeRunText } = await import('../experiments/show.ts');
  const { withStore } = await import('../experiments/session.ts');
  await withStore(async (store) => {
    const whole = await readRun(store, name);
    const diff = options.diff ? await diffText(store, whole) : undefined;
    const log = options.log ? await logText(store, whole) : undefined;
    const only = [diff, log].filter((text) => text !== undefined).join('\n\n');
    const { run, details, version, evaluate } = whole;
    const json = {
      ...run,
      ...{
        version: version ?? null,
        intervals: evaluate?.output.metrics ?? {},
        artifacts: artifactsOf(whole),
      },
      ...{ details: details ?? null, ...(diff !== undefined && { diff }), ...(log !== undefined && { log }) },
    };
    say(options.json ?? false, json, only || wholeRunText(whole));
  });
}

interface CompareOptions {
  trials?: boolean;
  metric?: string;
  html?: string;
  json?: boolean;
}

async function compare(names: string[], { trials, metric, html, json }: CompareOptions): Promise<void> {
  const { pageOf, readCompared } = await import('../experiments/compare.ts');
  const { differencesTable } = await import('../experiments/differences.ts');
  const { sorted } = await import('../experiments/where.ts');
  const { withStore } = await import('../experiments/session.ts');
  await withStore(async (store, cacheHome) => {
    const compared = await readCompared(store, names, { cacheHome, trials: trials ?? false, metric });
    const { goal, wholes } = compared;
    const runs = wholes.map(({ run }) => run);
    const ordered = trials ? sorted(runs, goal.metric, goal.ascending) : runs;
    if (html !== undefined) await writeFile(html, await pageOf(store, compared));
    const page = html === undefined ? undefined : resolve(html);
    const text = [differencesTable(ordered), ...(page ? [`Page: ${page}`] : [])].join('\n\n');
    say(json ?? false, { metric: goal.metric, runs: ordered, ...(page && { page }) }, text);
  });
}

interface ExportOptions {
  csv?: string | true;
  trials?: boolean;
  json?: boolean;
}

async function exportRuns(of: string | undefined, { csv, trials, json }: ExportOptions): Promise<void> {
  const { runsCsv } = await import('../experiments/export.ts');
  const { sorted } = await import('../experiments/where.ts');
  const { runs, faults } = await catalogue(of, trials ?? false);
  const ordered = sorted(runs, 'started', false);
  const text = json ? `${JSON.stringify(ordered)}\n` : runsCsv(ordered);
  if (typeof csv === 'string') await writeFile(csv, text);
  else process.stdout.write(text);
  if (typeof csv === 'string') process.stderr.write(`${counted(ordered.length, 'run')} in ${csv}\n`);
  warn(faults);
}

/** A model's name in its place would become a file's. @throws InvalidArgumentError */
function csvFile(text: string): string {
  if (/[./]/.test(text)) return text;
  throw new InvalidArgumentError('Give a file such as runs.csv; a model goes before --csv.');
}
