/**
 * Reads `esteira.yaml` and pins it. Every complaint names file:line:column, the field, the value, and
 * what would be right, so that the next edit is the right one.
 */
import { execFile } from 'node:child_process';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { Project } from '../contracts/project.ts';
import type { PinnedProject, Task } from '../contracts/project.ts';
import { TrainerEvent, TrainerRequest } from '../contracts/trainer.ts';
import { sha256 } from './digest.ts';
import { hasCode } from './errno.ts';
import { didYouMean } from './nearest.ts';
import { codeFaults } from './project-code.ts';
import { faultAt, faultsOf, ProjectError } from './project-faults.ts';
import type { ProjectText } from './project-faults.ts';
import { parseYaml, readText } from './project-yaml.ts';
import { searchFaults } from './project-search.ts';
import { canonicalJson } from './store/json.ts';

export { ProjectError } from './project-faults.ts';

/** More would scroll the first one away, and later ones are often its echoes. */
const shownFaults = 5;

/** @param path of a project folder, or of its file. @throws {ProjectError} naming the first few faults */
export async function readProject(path: string): Promise<{ project: Project; sql: string; root: string }> {
  const file = await projectFile(path);
  const shown = relative(process.cwd(), file) || file;
  const { text, value } = parseYaml(await readText(file, shown), shown, projectSchema());
  const result = Project.safeParse(value);
  if (!result.success) {
    const issues = result.error.issues.slice(0, shownFaults);
    const faults = issues.flatMap((issue) => faultsOf(text, issue, shownFaults));
    throw new ProjectError(faults.slice(0, shownFaults).join('\n'));
  }
  const root = dirname(file);
  const project = result.data;
  const faults = [
    ...leaks(project, text),
    ...unmeetable(project, text),
    ...emptyGates(project, text),
    ...strangeLosses(project, text),
    ...searchFaults(project, text),
    ...strangers(project, text),
    ...(await codeFaults(project, root, text)),
  ];
  if (faults.length > 0) throw new ProjectError(faults.slice(0, shownFaults).join('\n'));
  return { project, sql: await sqlOf(project, root, text), root };
}

/** Everything a lifecycle needs of the project, content-hashed: a later edit changes no run under way. */
export async function pinProject(path: string): Promise<PinnedProject> {
  const { project, sql, root } = await readProject(path);
  return {
    project,
    sql,
    root,
    gitCommit: await commitOf(root),
    gatesDigest: sha256(canonicalJson(project.gates)),
    policyDigest: sha256(canonicalJson(project.approval)),
  };
}

/** JSON Schemas of what a trainer gets, and of each line that it may say. */
export function trainerSchema(): object {
  return {
    request: z.toJSONSchema(TrainerRequest, { io: 'output' }),
    event: z.toJSONSchema(TrainerEvent, { io: 'input' }),
  };
}

/** JSON Schema of `esteira.yaml` for editors. */
export function projectSchema(): object {
  return z.toJSONSchema(Project, { io: 'input' });
}

async function projectFile(path: string): Promise<string> {
  const full = resolve(path);
  const found = await stat(full).catch(unlessMissing);
  if (!found) throw new ProjectError(`${path} does not exist; give the folder that holds esteira.yaml`);
  const file = found.isDirectory() ? join(full, 'esteira.yaml') : full;
  const there = await stat(file).catch(unlessMissing);
  if (!there) throw new ProjectError(`${path} holds no esteira.yaml; \`esteira init ${path}\` writes one`);
  return file;
}

/** A query may be a file's name: one word that ends in .sql, for a file in the project's folder. */
async function sqlOf({ query }: Project, root: string, text: ProjectText): Promise<string> {
  if (!/^\S+\.sql$/.test(query)) return query;
  const file = await realpath(join(root, query)).catch(unlessMissing);
  const folder = await realpath(root);
  if (!(file ?? join(folder, query)).startsWith(folder + sep)) {
    throw new ProjectError(faultAt(text, ['query'], `is "${query}", a file outside the project's folder`));
  }
  if (file !== undefined) return readText(file, query);
  const beside = dirname(join(root, query));
  const names = ((await readdir(beside).catch(unlessMissing)) ?? []).filter((name) => name.endsWith('.sql'));
  const guess = didYouMean(basename(query), names);
  throw new ProjectError(
    faultAt(text, ['query'], `is "${query}", a file that cannot be found in ${beside}${guess}`),
  );
}

/** A slip here would write down what must not be. */
function strangers({ features, log }: Project, text: ProjectText): string[] {
  const known = [...new Set(Object.entries(features).map(([name, { from }]) => from ?? name))];
  return Object.keys(log.pii)
    .filter((name) => !known.includes(name))
    .map((name) =>
      faultAt(text, ['log', 'pii', name], `is no input of the model${didYouMean(name, known)}`, 'key'),
    );
}

async function commitOf(root: string): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('git', ['rev-parse', 'HEAD'], { cwd: root });
    return stdout.trim();
  } catch (error) {
    if (error instanceof Error) return null; // no git, or not a repository: the record says null
    throw error;
  }
}

/** A feature made of the label would be perfect in training, and absent in production. */
function leaks({ features, label }: Project, text: ProjectText): string[] {
  return Object.entries(features)
    .filter(([name, { from }]) => (from ?? name) === label)
    .map(([name]) =>
      faultAt(text, ['features', name], `is made of the label ${label}; it would leak the answer`, 'key'),
    );
}

/** A policy that needs more people of a role than it names would wait for nothing. */
function unmeetable({ approval }: Project, text: ProjectText): string[] {
  if (approval.policy !== 'people') return [];
  return Object.entries(approval.need).flatMap(([role, need]) => {
    const holders = approval.people[role] ?? [];
    if (holders.includes('*') || new Set(holders).size >= need) return [];
    const named = `but approval.people.${role} names ${new Set(holders).size}`;
    const guess = holders.length === 0 ? didYouMean(role, Object.keys(approval.people)) : '';
    return [faultAt(text, ['approval', 'need', role], `is ${need}, ${named}${guess}; nobody could approve`)];
  });
}

/** What evaluate computes for a task; a trainer's own numbers, and their gaps, may be gated too. */
const metricsOf: Record<Task, readonly string[]> = {
  'binary-classification': [
    ...['roc_auc', 'pr_auc', 'log_loss', 'brier', 'ece'],
    ...['accuracy', 'precision', 'recall', 'f1'],
  ],
  'multiclass-classification': ['accuracy', 'macro_f1', 'log_loss'],
  regression: ['rmse', 'mae', 'r2'],
};

/** Gates that no model could meet, told before the training: of a metric nobody computes, or without a bound. */
function emptyGates({ gates, task, trainer }: Project, text: ProjectText): string[] {
  const known = metricsOf[task];
  const reported = (name: string) =>
    trainer.backend !== 'onnx' || /^(train|validation)_|_gap$/.test(name) || known.includes(name);
  return Object.entries(gates).flatMap(([metric, gate]) => {
    const path = ['gates', metric];
    if (!reported(metric)) {
      const guess = didYouMean(metric, known);
      return [faultAt(text, path, `is no metric of ${task}${guess}; known: ${known.join(', ')}`, 'key')];
    }
    const bounds = Object.values(gate).filter((bound) => bound !== undefined);
    return bounds.length > 0
      ? []
      : [faultAt(text, path, 'has no bound; give min, max or notWorseThanChampionBy', 'key')];
  });
}

/** A loss that its task does not have would be replaced in silence. */
function strangeLosses({ rollout, task }: Project, text: ProjectText): string[] {
  const known = task === 'regression' ? ['relative-error'] : ['brier', 'error'];
  const asked: [string, string | undefined][] = [
    ['quality', rollout.quality ? rollout.quality.loss : undefined],
    ['ab', rollout.ab.loss],
  ];
  return asked.flatMap(([key, loss]) =>
    loss === undefined || known.includes(loss)
      ? []
      : [
          faultAt(
            text,
            ['rollout', key, 'loss'],
            `is ${loss}, no loss of ${task}; known: ${known.join(', ')}`,
          ),
        ],
  );
}

function unlessMissing(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) throw error;
}
