/** `esteira drift` and `esteira profile`: files alone, without a project and without Temporal. */
import { writeFile } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { Threshold, thresholdStatistics } from '../../contracts/drift.ts';
import type { StreamReport } from '../../contracts/drift.ts';
import { exitCodes, say } from '../output.ts';
import { columnNames } from './session.ts';

const detectors: readonly StreamReport['detector'][] = ['adwin', 'page-hinkley', 'ddm'];

interface DriftOptions {
  reference?: string;
  current?: string;
  columns?: string[];
  fast?: boolean;
  domain?: boolean;
  alpha?: number;
  threshold?: Threshold[];
  stream?: string;
  column?: string;
  detector?: StreamReport['detector'];
  json?: boolean;
}

interface ProfileOptions {
  columns?: string[];
  summary?: string;
  like?: string;
  merge?: string;
  json?: boolean;
}

export function addDriftCommands(program: Command): void {
  program
    .command('drift')
    .description(
      'compare a file with a reference, column by column, or look for changes along one; 3 is drift',
    )
    .option('--reference <file>', 'Parquet, CSV or JSON (a pattern for several), or a summary of `profile`')
    .option('--current <file>', 'what is compared with it')
    .option('--columns <names>', 'with commas between; all that both have, if absent', columnNames)
    .option('--fast', 'from summaries: each file is scanned once, and distances are near')
    .option('--alpha <share>', 'of comparisons that may alarm though nothing changed; 0.05', alphaOf)
    .option(
      '--threshold <statistic=limit>',
      'this alone decides, of all columns or of one: psi=0.2, price:ks=0.01; repeatable',
      thresholdOf,
    )
    .option('--domain', 'also as a whole: can a classifier tell rows of one file from those of the other?')
    .option('--stream <file>', 'instead: follow one column from row to row')
    .option('--column <name>', 'of the stream')
    .addOption(new Option('--detector <name>', 'of the stream').choices(detectors))
    .option('--json', 'for machines')
    .action((options: DriftOptions) => (options.stream === undefined ? compare(options) : detect(options)));
  program
    .command('profile <file>')
    .description('what each column of a file holds: Parquet, CSV or JSON (a pattern for several)')
    .option('--columns <names>', 'with commas between; all, if absent', columnNames)
    .option('--summary <file.json>', 'write what `drift --reference` can compare with later')
    .option('--like <summary>', 'with the bins of this one, so that both compare')
    .option('--merge <summary>', 'with the bins of this one, and its rows added')
    .option('--json', 'for machines')
    .action(profile);
}

function alphaOf(text: string): number {
  const alpha = Number(text);
  if (alpha > 0 && alpha <= 0.5) return alpha;
  throw new InvalidArgumentError(`it is ${text}, expected a share above 0 and at most 0.5`);
}

function thresholdOf(text: string, before: Threshold[] = []): Threshold[] {
  const [, column, statistic, limit] = /^(?:(.+):)?([A-Za-z0-9]+)=([0-9.eE+-]+)$/.exec(text) ?? [];
  const parsed = Threshold.safeParse({ ...(column && { column }), statistic, limit: Number(limit) });
  if (parsed.success) return [...before, parsed.data];
  const names = Object.keys(thresholdStatistics).join(', ');
  throw new InvalidArgumentError(
    `${text} is no threshold such as psi=0.2 or price:ks=0.01; there are ${names}`,
  );
}

async function compare(options: DriftOptions) {
  const {
    reference,
    current,
    columns,
    fast = false,
    domain,
    alpha,
    threshold: thresholds,
    json = false,
  } = options;
  if (reference === undefined || current === undefined)
    throw new Error('say what to compare: --reference FILE --current FILE, or --stream FILE --column NAME');
  const { driftProgram, driftText } = await import('../drift.ts');
  const program = await driftProgram();
  const report = await program.drift({
    ...{ reference, current, fast, ...(columns && { columns }), ...(domain && { domain }) },
    ...{ ...(alpha !== undefined && { alpha }), ...(thresholds && { thresholds }) },
  });
  say(json, report, driftText(report));
  if (report.drifted) process.exitCode = exitCodes.no;
}

async function detect({ stream, column, detector, json = false }: DriftOptions) {
  if (column === undefined || detector === undefined)
    throw new Error(`a stream takes --column NAME and --detector ${detectors.join('|')}`);
  const { driftProgram, streamText } = await import('../drift.ts');
  const program = await driftProgram();
  const report = await program.detect({ path: stream!, column, detector });
  say(json, report, streamText(report));
  if (report.detections.length > 0) process.exitCode = exitCodes.no;
}

async function profile(path: string, { columns, summary: to, like, merge, json = false }: ProfileOptions) {
  const { driftProgram, profileText } = await import('../drift.ts');
  const program = await driftProgram();
  const of = { path, ...(columns && { columns }) };
  if (to === undefined) {
    if (like !== undefined || merge !== undefined)
      throw new Error('--like and --merge are for summaries; say where to write one: --summary FILE.json');
    const report = await program.profile(of);
    return say(json, report, profileText(report));
  }
  if (!to.endsWith('.json')) throw new Error(`a summary is a .json file; ${to} is none`);
  const made = { ...(like !== undefined && { like }), ...(merge !== undefined && { merge }) };
  const summary = await program.summarise({ ...of, ...made });
  await writeFile(to, JSON.stringify(summary));
  const said = { path, summary: to, rows: summary.rows, columns: summary.columns.length };
  say(json, said, `${to} sums up ${summary.rows} rows, ${said.columns} columns of ${summary.source}`);
}
