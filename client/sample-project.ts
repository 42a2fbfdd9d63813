/** The least project that a model needs to be judged, approved and rolled out: made from a file of labelled rows. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { Project } from '../contracts/project.ts';
import type { PinnedProject, Task } from '../contracts/project.ts';
import type { Column, ColumnType } from '../contracts/dataset.ts';
import { sha256 } from '../infra/digest.ts';
import { openDuckDb, quoteIdentifier, quoteLiteral } from '../infra/duckdb.ts';
import type { DuckDb } from '../infra/duckdb.ts';
import { unlessCode } from '../infra/errno.ts';
import { canonicalJson } from '../infra/store/json.ts';

export interface SampleOptions {
  model: string;
  /** Parquet, CSV or JSON. */
  sample: string;
  label?: string;
  task?: Task;
  policy?: 'people' | 'auto';
  /** Who may approve; anybody, if absent. */
  approvers?: string[];
  gates?: Project['gates'];
  by: string;
}

/** More distinct numbers than this are a quantity, not classes. */
const classesAtMost = 20;
const usualLabels = ['label', 'target', 'y', 'class'];
const ours = { key: 'esteira_row', time: 'esteira_time' };

export async function sampleProject(
  options: SampleOptions,
): Promise<{ pinned: PinnedProject; columns: Column[]; classes: string[] }> {
  const path = resolve(options.sample);
  const found = await stat(path).catch(unlessCode('ENOENT'));
  if (!found?.isFile())
    throw new Error(`${options.sample} is no file; give Parquet, CSV or JSON with labelled rows`);
  const folder = await mkdtemp(join(tmpdir(), 'esteira-import-'));
  const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir: folder });
  try {
    const source = sourceOf(path, options.sample);
    const all = await columnsOf(db, source, options.sample);
    const label = labelOf(all, options);
    const { task, classes } = await taskOf(db, source, label, options);
    const columns = all.filter(({ name }) => name !== label.name);
    return { pinned: pinned(path, options, label.name, task), columns, classes };
  } finally {
    await db.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function pinned(path: string, options: SampleOptions, label: string, task: Task): PinnedProject {
  const { model, by, policy = 'people', approvers = ['*'], gates = {} } = options;
  const people = {
    ...{ policy: 'people' as const, need: { owner: 1 }, people: { owner: approvers } },
    requesterMayApprove: true,
  };
  const project = Project.parse({
    ...{ model, owner: by, task, label, ...ours },
    description: `Trained elsewhere; judged on ${basename(path)}.`,
    sources: { sample: { path: basename(path) } },
    query: `SELECT *, row_number() OVER () AS ${ours.key}, $until - INTERVAL 1 SECOND AS ${ours.time} FROM sample`,
    window: '1d',
    features: {},
    trainer: { backend: 'onnx' },
    gates,
    approval: policy === 'auto' ? { policy: 'auto' } : people,
  });
  return {
    ...{ project, sql: project.query, root: dirname(path), gitCommit: null },
    gatesDigest: sha256(canonicalJson(project.gates)),
    policyDigest: sha256(canonicalJson(project.approval)),
  };
}

/** As ingest will read it. */
function sourceOf(path: string, shown: string): string {
  const file = quoteLiteral(path);
  if (/\.(parquet|pq)$/i.test(path)) return `read_parquet(${file})`;
  if (/\.(json|jsonl|ndjson)(\.gz)?$/i.test(path)) return `read_json(${file})`;
  const csv = /\.(csv|tsv)(\.gz)?$/i.exec(path);
  if (!csv)
    throw new Error(`the format of ${shown} is unknown; .parquet, .csv, .tsv, .json and .jsonl are known`);
  const delimiter = csv[1]!.toLowerCase() === 'tsv' ? '\t' : ',';
  return `read_csv(${file}, header = true, skip = 0, delim = ${quoteLiteral(delimiter)}, quote = '"', escape = '"')`;
}

async function columnsOf(db: DuckDb, source: string, shown: string): Promise<Column[]> {
  const rows = await db
    .rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${source}`)
    .catch((error: unknown) => {
      const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
      throw new Error(`${shown} cannot be read: ${line}`, { cause: error });
    });
  return rows.flatMap(({ column_name: name, column_type: type }) => {
    const known = types.find(([pattern]) => pattern.test(type));
    return known ? [{ name, type: known[1] }] : [];
  });
}

const types: [RegExp, ColumnType][] = [
  [/^U?(TINY|SMALL|BIG)INT$|^U?INTEGER$/, 'integer'],
  [/^(U?HUGEINT|FLOAT|DOUBLE|DECIMAL.*)$/, 'number'],
  [/^(VARCHAR|UUID|ENUM.*)$/, 'string'],
  [/^BOOLEAN$/, 'boolean'],
  [/^(DATE|TIMESTAMP.*)$/, 'timestamp'],
];

function labelOf(columns: readonly Column[], { label, sample }: SampleOptions): Column {
  const names = columns.map(({ name }) => name).join(', ');
  const taken = columns.find(({ name }) => name === ours.key || name === ours.time);
  if (taken) throw new Error(`${sample} has a column ${taken.name}, a name that is needed; rename it`);
  const asked = label === undefined ? usualLabels : [label];
  const found = asked.map((name) => columns.find((column) => column.name === name)).find(Boolean);
  if (found) return found;
  throw new Error(
    label === undefined
      ? `which column of ${sample} is the label? say --label; it has ${names}`
      : `${sample} has no column ${label}; it has ${names}`,
  );
}

/** Few distinct labels are classes, many numbers a quantity; `--task` says otherwise. */
async function taskOf(
  db: DuckDb,
  source: string,
  { name, type }: Column,
  options: SampleOptions,
): Promise<{ task: Task; classes: string[] }> {
  const column = quoteIdentifier(name);
  const whole = `CAST(CASE WHEN ${column} = trunc(${column}) THEN CAST(CAST(${column} AS BIGINT) AS VARCHAR)
    ELSE CAST(${column} AS VARCHAR) END AS VARCHAR)`;
  const text = type === 'number' ? whole : `CAST(${column} AS VARCHAR)`;
  const found = await db.rows<{ label: string }>(
    `SELECT DISTINCT ${text} AS label FROM ${source} WHERE ${column} IS NOT NULL LIMIT 1001`,
  );
  const labels = found.map(({ label }) => label);
  const numeric = labels.every((label) => Number.isFinite(Number(label)));
  const classes = labels.toSorted((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1));
  if (classes.length < 2)
    throw new Error(
      `column ${name} of ${options.sample} has ${classes.length} different labels; two are the least`,
    );
  const task = options.task ?? guessed(classes, numeric);
  return { task, classes: task === 'regression' ? [] : classes };
}

function guessed(classes: readonly string[], numeric: boolean): Task {
  if (classes.length === 2) return 'binary-classification';
  const fractions = classes.some((label) => label.includes('.'));
  return numeric && (fractions || classes.length > classesAtMost)
    ? 'regression'
    : 'multiclass-classification';
}
