/**
 * The text of a project file as a YAML document, within bounds: a project may come from anybody who can open a pull
 * request, and YAML can say very much in few bytes.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { isAlias, isCollection, isMap, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import { ProjectError } from './project-faults.ts';
import type { ProjectText } from './project-faults.ts';

const limits = {
  bytes: 1024 * 1024,
  /** A project is five levels deep; parameters of a trainer may add some. */
  depth: 50,
  aliases: 100,
};

/** Assigned to an object, they change what it is instead of what it holds. */
const reserved = new Set(['__proto__', 'constructor', 'prototype']);

/** @throws {ProjectError} for what is no plain file, or too large a one; what the file system throws */
export async function readText(path: string, shown: string): Promise<string> {
  // Without waiting: a pipe has no writer, and is no plain file.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new ProjectError(`${shown} is no plain file`);
    if (found.size > limits.bytes) {
      throw new ProjectError(`${shown} has ${found.size} bytes; at most ${limits.bytes} are read`);
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** @returns the document, and its value as plain data. @throws {ProjectError} at the first thing wrong */
export function parseYaml(
  source: string,
  shown: string,
  schema: object,
): { text: ProjectText; value: unknown } {
  const lines = new LineCounter();
  const complain = (at: number, sentence: string): never => {
    const { line, col } = lines.linePos(at);
    throw new ProjectError(`${shown}:${line}:${col}: not YAML: ${sentence}`);
  };
  // Keys are compared below: the library holds each against all before it, which takes minutes for some thousand.
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const [broken] = [...document.errors, ...document.warnings];
  if (broken) {
    const deep = broken.message.startsWith('Maximum call stack');
    complain(broken.pos[0], deep ? tooDeep : broken.message);
  }
  inspect(document, complain);
  return { text: { shown, document, lines, schema }, value: valueOf(document, complain) };
}

/** Aliases of aliases multiply: the library counts what they come to, and gives up with an error of its own. */
function valueOf(document: Document, complain: Complain): unknown {
  try {
    return document.toJS({ maxAliasCount: limits.aliases });
  } catch (error) {
    if (error instanceof ReferenceError)
      return complain(0, `its aliases come to more than ${limits.aliases}`);
    throw error;
  }
}

type Complain = (at: number, sentence: string) => never;
const tooDeep = `values nest deeper than ${limits.depth}`;

interface Step {
  node?: unknown;
  depth: number;
  /** The value that bears this anchor is complete. */
  anchor?: string | undefined;
}

/** Walks with a stack of its own, so that depth costs a sentence and not the process. */
function inspect(document: Document, complain: Complain): void {
  const anchors = new Set<string>();
  const todo: Step[] = [{ node: document.contents, depth: 0 }];
  for (let step = todo.pop(); step; step = todo.pop()) {
    const { node, depth, anchor } = step;
    if (anchor !== undefined) anchors.add(anchor);
    const at = (node as Node | undefined)?.range?.[0] ?? 0;
    if (depth > limits.depth) complain(at, tooDeep);
    if (isPair(node)) todo.push({ node: node.value, depth }, { node: node.key, depth });
    if (isAlias(node) && !anchors.has(node.source)) {
      complain(at, `the alias *${node.source} has no anchor before it`);
    }
    if (isScalar(node)) todo.push({ depth, anchor: node.anchor });
    if (!isCollection(node)) continue;
    if (isMap(node)) inspectKeys(node.items, complain);
    todo.push({ depth, anchor: node.anchor });
    for (const item of node.items.toReversed()) todo.push({ node: item, depth: depth + 1 });
  }
}

function inspectKeys(items: readonly Pair[], complain: Complain): void {
  const met = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    const at = key.range?.[0] ?? 0;
    if (met.has(key.value)) complain(at, 'Map keys must be unique');
    met.add(key.value);
    if (reserved.has(String(key.value))) complain(at, `${String(key.value)} is no name for a field`);
  }
}
