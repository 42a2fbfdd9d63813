/** `esteira score`: files through a version. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { say } from '../output.ts';
import { columnNames, person, positiveWhole, withEsteira } from './session.ts';

interface Options {
  keep?: string[];
  delimiter?: string;
  overwrite?: boolean;
  parallel?: number;
  as: string;
  wait: boolean;
  json?: boolean;
}

export function addScoreCommand(program: Command): void {
  program
    .command('score <model> <input> <output>')
    .description(
      'score files by a version (flights, flights@previous, flights/3): Parquet, CSV or JSON, a file, folder or pattern',
    )
    .option(
      '--keep <columns>',
      'columns of the input to keep, with commas between; all, if absent',
      columnNames,
    )
    .option(
      '--delimiter <sign>',
      'between the fields of CSV files; a comma, or a tab in .tsv files, if absent',
      sign,
    )
    .option('--overwrite', 'delete first what another scoring wrote to the output')
    .option('--parallel <n>', 'processes at once; one a core, if absent', positiveWhole)
    .option('--as <person>', 'who asks', person())
    .option('--no-wait', 'start it and leave; the same command follows it later')
    .option('--json', 'for machines, a line whenever something changed')
    .action((model: string, input: string, output: string, options: Options) =>
      withEsteira(async (esteira) => {
        const { startScore } = await import('../score.ts');
        const { as: by, wait, json = false, keep, delimiter, overwrite, parallel } = options;
        const scoreId = await startScore(esteira, model, input, output, {
          by,
          ...(keep && { keep }),
          ...(delimiter !== undefined && { delimiter }),
          ...(overwrite && { overwrite }),
          ...(parallel !== undefined && { parallel }),
        });
        if (!wait) return say(json, { scoreId }, `${scoreId} started; the same command follows it`);
        const { followScore } = await import('../follow-score.ts');
        return followScore(esteira, scoreId, json);
      }),
    );
}

function sign(text: string): string {
  const one = text === '\\t' ? '\t' : text;
  if (one.length === 1) return one;
  throw new InvalidArgumentError('Give one character, such as ";".');
}
