/**
 * Reads `esteira.yaml` and pins it. Every complaint names file:line:column, the field, the value, and
 * what would be right, so that the next edit is the right one.
 */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { isMap, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { z } from 'zod';
import { Project } from '../contracts/project.ts';
import type { PinnedProject } from '../contracts/project.ts';
import { sha256 } from './digest.ts';
import { didYouMean } from './nearest.ts';
import { canonicalJson } from './store/json.ts';

/** The project, not the code, must be mended. Its message is the whole story; print no stack. */
export class ProjectError extends Error {
  override name = 'ProjectError';
}

/** @param path of a project folder, or of its file. @throws {ProjectError} naming the first few faults */
export async function readProject(path: string): Promise<{ project: Project; sql: string; root: string }> {
  const file = await projectFile(path);
  const text = await readFile(file, 'utf8');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const shown = relative(process.cwd(), file) || file;
  const [broken] = document.errors;
  if (broken) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new ProjectError(`${shown}:${line}:${col}: not YAML: ${broken.message}`);
  }
  const result = Project.safeParse(document.toJS());
  if (!result.success) {
    const faults = result.error.issues
      .slice(0, 5)
      .flatMap((issue) => faultsOf(issue, document, lines, shown));
    throw new ProjectError(faults.join('\n'));
  }
  const root = dirname(file);
  const project = result.data;
  checkNames(project, document, lines, shown);
  return { project, sql: await sqlOf(project, root, shown), root };
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

/** JSON Schema of `esteira.yaml` for editors. */
export function projectSchema(): object {
  return z.toJSONSchema(Project, { io: 'input' });
}

async function projectFile(path: string): Promise<string> {
  const full = resolve(path);
  const found = await stat(full).catch(() => undefined);
  if (!found) throw new ProjectError(`${path} does not exist; give the folder that holds esteira.yaml`);
  const file = found.isDirectory() ? join(full, 'esteira.yaml') : full;
  const there = await stat(file).catch(() => undefined);
  if (!there) throw new ProjectError(`${path} holds no esteira.yaml; \`esteira init ${path}\` writes one`);
  return file;
}

/** A query may be a file's name: one word that ends in .sql. */
async function sqlOf(project: Project, root: string, shown: string): Promise<string> {
  if (!/^\S+\.sql$/.test(project.query)) return project.query;
  try {
    return await readFile(join(root, project.query), 'utf8');
  } catch (error) {
    throw new ProjectError(`${shown}: query: cannot read ${project.query}: ${String(error)}`, {
      cause: error,
    });
  }
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

function faultsOf(issue: z.core.$ZodIssue, document: Document, lines: LineCounter, shown: string): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path);
    return issue.keys.map((key) => {
      const where = position(document, lines, [...issue.path, key], true);
      const field = [...issue.path, key].join('.');
      const guess = didYouMean(key, known);
      return `${shown}:${where}: ${field}: unknown field${guess}${known.length > 0 ? `; known: ${known.join(', ')}` : ''}`;
    });
  }
  const value = document.getIn(issue.path, false);
  const given = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`;
  const guess =
    issue.code === 'invalid_value' && typeof value === 'string'
      ? didYouMean(value, issue.values.map(String))
      : '';
  const where = position(document, lines, issue.path, false);
  return [`${shown}:${where}: ${issue.path.join('.') || 'the project'} ${given}${guess}; ${issue.message}`];
}

/** Line and column of a path, or of the nearest parent that exists. */
function position(document: Document, lines: LineCounter, path: PropertyKey[], ofKey: boolean): string {
  for (let length = path.length; length > 0; length--) {
    const node = nodeAt(document, path.slice(0, length), ofKey && length === path.length);
    if (node?.range) {
      const { line, col } = lines.linePos(node.range[0]!);
      return `${line}:${col}`;
    }
  }
  return '1:1';
}

function nodeAt(
  document: Document,
  path: PropertyKey[],
  ofKey: boolean,
): { range?: readonly number[] | null } | undefined {
  if (!ofKey) return document.getIn(path, true) as { range?: readonly number[] | null } | undefined;
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(
    (item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1),
  );
  return pair?.key as { range?: readonly number[] | null } | undefined;
}

/** Field names that the schema allows at a path, for "did you mean". */
function keysAt(path: PropertyKey[]): string[] {
  let schema: unknown = projectSchema();
  for (const step of path) {
    const { properties, additionalProperties, items } = schema as Record<string, unknown>;
    schema =
      (properties as Record<string, unknown> | undefined)?.[String(step)] ??
      additionalProperties ??
      items ??
      {};
  }
  const { properties, anyOf, oneOf } = schema as { properties?: object; anyOf?: object[]; oneOf?: object[] };
  const alternatives = [...(anyOf ?? []), ...(oneOf ?? [])] as { properties?: object }[];
  return [
    ...new Set(
      [properties, ...alternatives.map((one) => one.properties)].flatMap((one) => Object.keys(one ?? {})),
    ),
  ];
}

/** What the schema cannot see: a slice or a feature that names the label, a policy nobody can meet. */
function checkNames(project: Project, document: Document, lines: LineCounter, shown: string): void {
  for (const [name, feature] of Object.entries(project.features)) {
    if ((feature.from ?? name) !== project.label) continue;
    const where = position(document, lines, ['features', name], true);
    throw new ProjectError(
      `${shown}:${where}: features.${name} is made of the label ${project.label}; it would leak`,
    );
  }
  if (project.approval.policy !== 'people') return;
  for (const [role, need] of Object.entries(project.approval.need)) {
    const holders = project.approval.people[role] ?? [];
    if (holders.includes('*') || new Set(holders).size >= need) continue;
    const where = position(document, lines, ['approval', 'need', role], false);
    const message = `approval.need.${role} is ${need}, but approval.people.${role} names ${holders.length}; nobody could approve`;
    throw new ProjectError(`${shown}:${where}: ${message}`);
  }
}
