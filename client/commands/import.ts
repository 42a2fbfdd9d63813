/** `esteira import`: a model trained elsewhere, from evaluation on. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { Gate, Task } from '../../contracts/project.ts';
import { afterStart } from './run.ts';
import { person, withEsteira } from './session.ts';

interface Options {
  project?: string;
  model?: string;
  sample?: string;
  label?: string;
  task?: Task;
  columns?: string[];
  output?: string;
  policy?: 'people' | 'auto';
  approvers?: string[];
  gate?: Record<string, Gate>;
  as: string;
  wait?: boolean;
  json?: boolean;
}

const tasks = ['binary-classification', 'multiclass-classification', 'regression'] as const;

export function addImportCommand(program: Command): void {
  program
    .command('import <model.onnx>')
    .description(
      'put a model trained elsewhere on the belt: an ONNX file, or an MLflow model folder that holds one',
    )
    .option('--project <folder>', 'judge, approve and roll it out as this project says, on its rows')
    .option('--model <name>', 'without a project: what it is to be called')
    .option('--sample <file>', 'without a project: labelled rows that it was not trained on')
    .option('--label <column>', 'of the sample; label, target, y or class, if absent')
    .addOption(new Option('--task <task>', 'found from the label, if absent').choices(tasks))
    .option('--columns <names>', 'the columns of its matrix, in its order, with commas between', names)
    .option('--output <name>', 'which of its outputs is the answer, where that is not plain')
    .addOption(new Option('--policy <policy>', 'without a project: who is asked').choices(['people', 'auto']))
    .option('--approvers <people>', 'without a project: who may approve; anybody, if absent', names)
    .option('--gate <rule>', "without a project: such as 'roc_auc>=0.8'; may be given again", gate)
    .option('--as <person>', 'who asks', person())
    .option('--wait', 'follow it to its end')
    .option('--json', 'for machines')
    .action((path: string, options: Options, command: Command) => {
      const { project, json, wait, as: by, gate: gates, ...rest } = options;
      const alone = ['model', 'sample', 'label', 'task', 'policy', 'approvers', 'gate'] as const;
      const both = project === undefined ? undefined : alone.find((name) => options[name] !== undefined);
      if (both) command.error(`error: --${both} is for a model without a project; the project says it`);
      return withEsteira(async (esteira) => {
        const { pinImport } = await import('../import.ts');
        const given = { ...rest, by, ...(gates && { gates }), ...(project !== undefined && { project }) };
        const pinned = await pinImport(esteira.store, path, given);
        const reason = `import of ${path.slice(-1_000)}`;
        await afterStart(esteira, await esteira.run(pinned, { by, reason }), {
          ...(json && { json }),
          ...(wait && { wait }),
        });
      });
    });
}

function names(text: string): string[] {
  const found = text.split(',').map((name) => name.trim());
  if (found.every((name) => name !== '')) return found;
  throw new InvalidArgumentError('Give names with commas between: age,income.');
}

/** `roc_auc>=0.8`, `log_loss<=0.5`. */
function gate(text: string, before: Record<string, Gate> = {}): Record<string, Gate> {
  const [, metric, sign, limit] = /^([a-z0-9_]+)\s*(>=|<=)\s*(-?[0-9.]+)$/i.exec(text) ?? [];
  if (metric === undefined || !Number.isFinite(Number(limit)))
    throw new InvalidArgumentError("Give a metric and a bar, such as 'roc_auc>=0.8' or 'log_loss<=0.5'.");
  const bound = sign === '>=' ? { min: Number(limit) } : { max: Number(limit) };
  return { ...before, [metric]: { ...before[metric], ...bound } };
}
