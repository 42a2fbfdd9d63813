/**
 * What is wrong with a project file, in words: file:line:column, the field, its value, what would be right, and
 * the word that was probably meant.
 */
import { isMap, isPair, isScalar } from 'yaml';
import type { Document, LineCounter } from 'yaml';
import type { z } from 'zod';
import { didYouMean } from './nearest.ts';

/** The project, not the code, must be mended. Its message is the whole story; print no stack. */
export class ProjectError extends Error {
  override name = 'ProjectError';
}

/** A parsed file, and how to name it to the person who must mend it. */
export interface ProjectText {
  shown: string;
  document: Document;
  lines: LineCounter;
  /** JSON Schema of the whole file: which fields are known where. */
  schema: object;
}

type Path = readonly PropertyKey[];
type Ranged = { range?: readonly number[] | null } | undefined;

/**
 * @param most of unknown fields in one place; each is looked for in the text
 * @returns one sentence a fault. A value that fits no branch of a union is told what each would take.
 */
export function faultsOf(text: ProjectText, issue: z.core.$ZodIssue, most: number): string[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(text, path);
    return issue.keys.slice(0, most).map((key) => {
      const others = known.length > 0 ? `; known: ${known.join(', ')}` : '';
      return faultAt(text, [...path, key], `unknown field${didYouMean(key, known)}${others}`, 'key');
    });
  }
  if (issue.code === 'invalid_key') {
    return [faultAt(text, path, `is no good name; ${wanted(issue.issues[0]!)}`, 'key')];
  }
  return [faultAt(text, path, `${given(text, path, optionsOf(issue))}; ${wanted(issue)}`)];
}

/** `orders/esteira.yaml:12:3: features.price …` @param of what to point at: the field's name or its value */
export function faultAt(
  text: ProjectText,
  path: Path,
  sentence: string,
  of: 'key' | 'value' = 'value',
): string {
  return `${text.shown}:${positionOf(text, path, of)}: ${fieldOf(path)} ${sentence}`;
}

function given({ document }: ProjectText, path: Path, options: string[]): string {
  const value: unknown = document.getIn(path, false);
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty';
  const shown = JSON.stringify(value);
  const guess = typeof value === 'string' ? didYouMean(value, options) : '';
  return `is ${shown.length > 80 ? `${shown.slice(0, 77)}…` : shown}${guess}`;
}

/** The words a choice allows. */
function optionsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code !== 'invalid_union') return [];
  if ('options' in issue && Array.isArray(issue.options)) return issue.options.map(String);
  return issue.errors.flat().flatMap((inner) => (inner.path.length === 0 ? optionsOf(inner) : []));
}

/** What would be right: `expected one of csv, parquet, json`. */
function wanted(issue: z.core.$ZodIssue): string {
  const options = optionsOf(issue);
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branches = issue.errors.map(([first]) => (first ? wanted(first) : ''));
    return [...new Set(branches)].join(', or ');
  }
  if (options.length > 0) return `expected one of ${options.join(', ')}`;
  return issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
}

/** `checks[0].column`, as people write it. */
function fieldOf(path: Path): string {
  const parts = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`));
  return parts.join('').replace(/^\./, '') || 'the project';
}

/** Line and column of a path, or of the nearest parent that exists. */
function positionOf({ document, lines }: ProjectText, path: Path, of: 'key' | 'value'): string {
  for (let length = path.length; length > 0; length--) {
    const here = path.slice(0, length);
    const node = of === 'key' && length === path.length ? keyAt(document, here) : valueAt(document, here);
    if (!node?.range) continue;
    const { line, col } = lines.linePos(node.range[0]!);
    return `${line}:${col}`;
  }
  return '1:1';
}

function valueAt(document: Document, path: Path): Ranged {
  return document.getIn(path, true) as Ranged;
}

function keyAt(document: Document, path: Path): Ranged {
  const parent = path.length === 1 ? document.contents : valueAt(document, path.slice(0, -1));
  if (!isMap(parent)) return undefined;
  const isNamed = (item: unknown) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1);
  return parent.items.find(isNamed)?.key as Ranged;
}

interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  const?: unknown;
}

/** Field names that the schema allows at a path; in a union, those of the branch that the file chose. */
function fieldsAt({ document, schema }: ProjectText, path: Path): string[] {
  let value: unknown = document.toJS();
  let branches = chosen(schema, value);
  for (const step of path) {
    value = (value as Record<PropertyKey, unknown> | undefined)?.[step];
    branches = branches.flatMap((branch) => chosen(memberOf(branch, step), value));
  }
  return [...new Set(branches.flatMap(({ properties }) => Object.keys(properties ?? {})))];
}

function memberOf(
  { properties, additionalProperties, items }: Schema,
  step: PropertyKey,
): Schema | undefined {
  const others = typeof additionalProperties === 'object' ? additionalProperties : undefined;
  return properties?.[String(step)] ?? others ?? items;
}

/** The branches of a union whose fixed fields (`check: range`) are those of the value; all, if none are. */
function chosen(schema: Schema | undefined, value: unknown): Schema[] {
  if (!schema) return [];
  const branches = schema.anyOf ?? schema.oneOf;
  if (!branches) return [schema];
  const fixed = (branch: Schema) =>
    Object.entries(branch.properties ?? {}).filter(([, property]) => property.const !== undefined);
  const fits = branches.filter(
    (branch) =>
      fixed(branch).length > 0 &&
      fixed(branch).every(
        ([name, property]) => (value as Record<string, unknown> | undefined)?.[name] === property.const,
      ),
  );
  return fits.length > 0 ? fits : branches;
}
