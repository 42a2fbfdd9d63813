/** Commands about a model: what serves, predictions, labels, and the way back. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { exitCodes, say, table } from '../output.ts';
import { person, readJsonFile, reason, withEsteira } from './session.ts';

export function addModelCommands(program: Command): void {
  program
    .command('show <model>')
    .description('a model, or one of its versions: flights, flights@champion, flights/3')
    .option('--json', 'for machines')
    .action((name: string, { json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const { shownText } = await import('../show.ts');
        const shown = await esteira.show(name);
        say(json, shown, shownText(shown));
      }),
    );
  program
    .command('rollback <model>')
    .description('go back to the last good version, at once')
    .requiredOption('--reason <text>', 'why; it is kept for ever', reason)
    .option('--as <person>', 'who asks', person())
    .option('--json', 'for machines')
    .action((model: string, options: { reason: string; as: string; json?: boolean }) =>
      withEsteira(async (esteira) => {
        const answer = await esteira.rollback(model, options.as, options.reason);
        const text = answer.accepted
          ? `${model} serves version ${answer.version} again (epoch ${answer.epoch})`
          : `refused (${answer.code}): ${answer.detail}`;
        say(options.json ?? false, answer, text);
        if (!answer.accepted) process.exitCode = exitCodes.no;
      }),
    );
  addPredict(program);
  addLabels(program);
}

interface PredictOptions {
  file?: string;
  url?: string;
  json?: boolean;
}

function addPredict(program: Command): void {
  program
    .command('predict <model>')
    .argument('[row]', `such as '{"distance": 800, …}'`, parseRow)
    .description('a prediction for a row, or for rows from --file')
    .option('--file <path>', 'JSON: a list of rows')
    .option('--url <url>', 'the serving endpoint; the running stack, if absent')
    .option('--json', 'for machines')
    .action(async (model: string, row: Row | undefined, options: PredictOptions, command: Command) => {
      const { file } = options;
      if ((row === undefined) === (file === undefined))
        command.error('error: give one row as JSON, or --file with a list of rows');
      const rows = row === undefined ? rowsIn(await readJsonFile(file!), file!) : [row];
      const { predict } = await import('../serving.ts');
      const answer = await predict(await endpoint(options.url), model, rows);
      const shown = answer.predictions.map((prediction, i) => [answer.ids[i]!, JSON.stringify(prediction)]);
      say(options.json ?? false, answer, table(['id', `version ${answer.version}`], shown));
    });
}

function addLabels(program: Command): void {
  program
    .command('labels <model> <file>')
    .description('what really happened: JSON list of {id, label, time?}')
    .option('--url <url>', 'the serving endpoint; the running stack, if absent')
    .option('--json', 'for machines')
    .action(async (model: string, file: string, options: { url?: string; json?: boolean }) => {
      const { labelsIn } = await import('../labels.ts');
      const { postLabels } = await import('../serving.ts');
      const labels = labelsIn(await readJsonFile(file), file);
      const accepted = await postLabels(await endpoint(options.url), model, labels);
      say(options.json ?? false, { accepted }, `${accepted} labels taken`);
    });
}

type Row = Record<string, unknown>;

/** @throws InvalidArgumentError */
function parseRow(text: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InvalidArgumentError(`It is not JSON: ${error.message}.`);
  }
  if (isRow(value)) return value;
  throw new InvalidArgumentError('Give one JSON object: {"column": value, …}.');
}

function rowsIn(value: unknown, file: string): Row[] {
  const rows: unknown[] = Array.isArray(value) ? value : [value];
  if (rows.length > 0 && rows.every(isRow)) return rows;
  throw new Error(`${file} is no list of rows; give [{"column": value, …}, …]`);
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function endpoint(given: string | undefined): Promise<string> {
  if (given !== undefined) return given.replace(/\/$/, '');
  const { readConfig } = await import('../../infra/config.ts');
  const { servingUrl } = await import('../session.ts');
  return servingUrl(readConfig());
}
