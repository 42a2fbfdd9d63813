/** Rows as people send them: JSON, NDJSON or CSV, each with the line it stands in, for the sentences about it. */
import type { IncomingHttpHeaders } from 'node:http';
import { CsvError, parse } from 'csv-parse/sync';
import { Refusal } from '../../infra/refusal.ts';
import { jsonIn, mediaTypeOf, textIn } from './body.ts';

export interface Row {
  /** `line 3`, or `row 3` of a JSON array, from 1. */
  where: string;
  /** Of CSV all values are texts, and an empty one is null. */
  values: Record<string, unknown>;
}

export interface Rows {
  format: 'json' | 'csv';
  rows: Row[];
}

const rowsAtMost = 100_000;

/** @param member of a JSON object that holds the rows. @throws Refusal 400, 413, 415 */
export function rowsIn(headers: IncomingHttpHeaders, body: Buffer, member: string): Rows {
  const read = readers.get(mediaTypeOf(headers));
  if (!read) {
    const types = [...readers.keys()].join(', ');
    throw new Refusal(415, `the body is ${JSON.stringify(mediaTypeOf(headers))}; it is taken as ${types}`);
  }
  const rows = read(body, member);
  if (rows.length === 0) throw new Refusal(400, 'there is no row in the body');
  if (rows.length > rowsAtMost)
    throw new Refusal(413, `there are ${rows.length} rows in the body; at most ${rowsAtMost} are taken`);
  return { format: read === csv ? 'csv' : 'json', rows };
}

function json(body: Buffer, member: string): Row[] {
  const value = jsonIn(body);
  const inside = typeof value === 'object' && value !== null && member in value;
  const list = inside ? (value as Record<string, unknown>)[member] : value;
  if (!Array.isArray(list))
    throw new Refusal(400, `the body must be a JSON array of rows, or {"${member}": [ … ]}`);
  return list.map((one, i) => row(one, `row ${i + 1}`));
}

function ndjson(body: Buffer): Row[] {
  return textIn(body)
    .split('\n')
    .flatMap((line, i) => (line.trim() === '' ? [] : [row(lineJson(line, i + 1), `line ${i + 1}`)]));
}

function lineJson(line: string, number: number): unknown {
  try {
    return jsonIn(line);
  } catch (error) {
    if (error instanceof Refusal)
      throw new Refusal(400, error.message.replace('the body is', `line ${number} is`));
    throw error;
  }
}

function csv(body: Buffer): Row[] {
  try {
    const parsed = parse(textIn(body), { columns: header, bom: true, info: true, skip_empty_lines: true });
    return (parsed as unknown as { info: { lines: number }; record: Record<string, string> }[]).map(
      ({ info, record }) => ({
        where: `line ${info.lines}`,
        values: Object.fromEntries(
          Object.entries(record).map(([name, text]) => [name, text === '' ? null : text]),
        ),
      }),
    );
  } catch (error) {
    if (error instanceof CsvError)
      throw new Refusal(400, `the body is not CSV: ${error.message.slice(0, 300)}`);
    throw error;
  }
}

function header(names: string[]): string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Refusal(400, `the first line names "${twice.slice(0, 100)}" twice`);
  return names;
}

function row(value: unknown, where: string): Row {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return { where, values: value as Record<string, unknown> };
  throw new Refusal(400, `${where} must be a JSON object: {"column": value, …}`);
}

const readers = new Map<string, (body: Buffer, member: string) => Row[]>([
  ['application/json', json],
  ['application/x-ndjson', ndjson],
  ['application/jsonl', ndjson],
  ['text/csv', csv],
]);
