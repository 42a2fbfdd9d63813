/** Commands about project files; none needs a running Esteira. */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { projectSchema, readProject } from '../../infra/project-file.ts';
import { say } from '../output.ts';
import { exampleProject } from '../template.ts';

export function addProjectCommands(program: Command): void {
  program
    .command('check <project>')
    .description('read a project and say what is wrong with it')
    .option('--json', 'for machines')
    .action(async (path: string, { json = false }: { json?: boolean }) => {
      const { project } = await readProject(path);
      const { model, task, features, checks, gates, trainer } = project;
      const count = (of: object) => Object.keys(of).length;
      const text = `${model}: ${task}, ${count(features)} features, ${count(checks)} checks, ${count(gates)} gates, trainer ${trainer.backend}. It reads well.`;
      say(json, project, text);
    });
  program
    .command('schema')
    .description('JSON Schema of esteira.yaml, for editors')
    .action(() => void process.stdout.write(`${JSON.stringify(projectSchema(), null, 2)}\n`));
  program
    .command('init [folder]')
    .description('write a small project that runs as it stands')
    .option('--json', 'for machines')
    .action(async (folder = '.', { json = false }: { json?: boolean }) => {
      const root = resolve(folder);
      const model =
        basename(root)
          .toLowerCase()
          .replaceAll(/[^a-z0-9-]+/g, '-')
          .replace(/^[^a-z]+/, '') || 'model';
      const files = exampleProject(model);
      for (const name of Object.keys(files)) {
        if (await exists(join(root, name)))
          throw new Error(`${join(folder, name)} exists; init overwrites nothing`);
      }
      await mkdir(root, { recursive: true });
      for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text);
      say(
        json,
        { root, files: Object.keys(files) },
        `${Object.keys(files).join(' and ')} written. Next: esteira run ${folder} --wait`,
      );
    });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
