/** Commands about project files; none needs a running Esteira. */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Argument } from 'commander';
import type { Command } from 'commander';
import { failpoint } from '../../infra/failpoint.ts';
import { unlessCode } from '../../infra/errno.ts';
import { counted, say } from '../output.ts';
import { exampleProject } from '../template.ts';

export function addProjectCommands(program: Command): void {
  program
    .command('init [folder]')
    .description('write a small project that runs as it stands')
    .option('--json', 'for machines')
    .action(async (folder = '.', { json = false }: { json?: boolean }) => {
      const files = await init(folder);
      const text = [
        `${files.join(' and ')} written to ${folder}.`,
        `Next: esteira run ${folder} --wait   (while \`esteira up\` runs in another terminal)`,
      ];
      say(json, { root: resolve(folder), files }, text.join('\n'));
    });
  program
    .command('check <project>')
    .description('read a project and say what is wrong with it')
    .option('--json', 'for machines')
    .action(async (path: string, { json = false }: { json?: boolean }) => {
      const { readProject } = await import('../../infra/project-file.ts');
      const { project } = await readProject(path);
      const { model, task, features, checks, gates, trainer } = project;
      const parts = [
        task,
        counted(Object.keys(features).length, 'feature'),
        counted(checks.length, 'check'),
        counted(Object.keys(gates).length, 'gate'),
        `trainer ${trainer.backend}`,
      ];
      say(json, project, `${model}: ${parts.join(', ')}. It reads well.`);
    });
  program
    .command('schema')
    .description('JSON Schema of esteira.yaml, for editors; or of what trainers get and say')
    .addArgument(new Argument('[what]').choices(['project', 'trainer']).default('project'))
    .option('--json', 'as it is anyway')
    .action(async (what: string) => {
      const { projectSchema, trainerSchema } = await import('../../infra/project-file.ts');
      const schema = what === 'trainer' ? trainerSchema() : projectSchema();
      process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
    });
}

/** @returns the names of the files. @throws Error when one of them exists; then none is written */
async function init(folder: string): Promise<string[]> {
  const root = resolve(folder);
  const files = exampleProject(modelName(root));
  for (const name of Object.keys(files).toReversed()) {
    if (await exists(join(root, name)))
      throw new Error(`${join(folder, name)} exists; init overwrites nothing`);
  }
  await mkdir(root, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(root, name), text);
    await failpoint('cli:written');
  }
  return Object.keys(files);
}

/** The folder's name, as far as a model may be called so. */
function modelName(root: string): string {
  const name = basename(root)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+/, '');
  return name.slice(0, 63) || 'model';
}

async function exists(path: string): Promise<boolean> {
  return access(path)
    .then(() => true)
    .catch(unlessCode('ENOENT', false));
}
