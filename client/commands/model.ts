/** Commands about a model: what serves, predictions, labels, and the way back. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { readConfig } from '../../infra/config.ts';
import { exitCodes, say, table } from '../output.ts';
import { postLabels, predict } from '../serving.ts';
import { runningStack } from '../session.ts';
import { showModel } from '../show.ts';
import { person, withEsteira } from './session.ts';

export function addModelCommands(program: Command): void {
  program
    .command('show <model>')
    .description('a model, or one of its versions: flights, flights@champion, flights/3')
    .option('--json', 'for machines')
    .action((name: string, { json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const { value, text } = await showModel(esteira, name);
        say(json, value, text);
      }),
    );
  program
    .command('rollback <model>')
    .description('go back to the last good version, at once')
    .requiredOption('--reason <text>', 'why; it is kept for ever')
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
  program
    .command('predict <model> [row]')
    .description(`a prediction: '{"distance": 800, …}', or rows from --file`)
    .option('--file <path>', 'JSON: a list of rows')
    .option('--url <url>', 'the serving endpoint; the running stack, if absent')
    .option('--json', 'for machines')
    .action(
      async (
        model: string,
        row: string | undefined,
        options: { file?: string; url?: string; json?: boolean },
      ) => {
        const rows = parseRows(row, options.file ? await readFile(options.file, 'utf8') : undefined);
        const answer = await predict(await endpoint(options.url), model, rows);
        const shown = answer.predictions.map((prediction, i) => [answer.ids[i]!, JSON.stringify(prediction)]);
        say(options.json ?? false, answer, table(['id', `version ${answer.version}`], shown));
      },
    );
  program
    .command('labels <model> <file>')
    .description('what really happened: JSON list of {id, label, time?}')
    .option('--url <url>', 'the serving endpoint; the running stack, if absent')
    .option('--json', 'for machines')
    .action(async (model: string, file: string, options: { url?: string; json?: boolean }) => {
      const labels = JSON.parse(await readFile(file, 'utf8')) as {
        id: string;
        label: string | number | boolean;
      }[];
      const accepted = await postLabels(await endpoint(options.url), model, labels);
      say(options.json ?? false, { accepted }, `${accepted} labels taken`);
    });
}

function parseRows(row: string | undefined, file: string | undefined): Record<string, unknown>[] {
  const text = file ?? row;
  if (text === undefined) throw new Error('give a row as JSON, or --file with a list of rows');
  const value = JSON.parse(text) as Record<string, unknown> | Record<string, unknown>[];
  return Array.isArray(value) ? value : [value];
}

async function endpoint(given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const config = readConfig();
  const stack = await runningStack(config.home);
  return stack?.servingUrl ?? `http://${config.serving.host}:${config.serving.port}`;
}
