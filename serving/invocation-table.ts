/** The shapes in which MLflow's clients send rows, four of JSON and CSV, as columns of the model that is asked. */
import { checkElements, InexactNumber, maxRows, objectOf, product, rowsOf } from './decoder.ts';
import type { Column } from './decoder.ts';
import { cellValue, hasNames, placesOf } from './invocation-csv.ts';
import type { LoadedVersion } from './loaded-version.ts';
import { millisecondsOf } from '../infra/moment.ts';
import { Refusal, shown } from '../infra/refusal.ts';
import type { Element, Given, Rows } from './rows.ts';

export interface Table {
  params: unknown;
  /** @throws Refusal 400 */
  columns(version: LoadedVersion): Rows;
}

const shapes = ['dataframe_split', 'dataframe_records', 'instances', 'inputs'] as const;

/** @param body parsed JSON, or the lines of a CSV. @throws Refusal 400 */
export function columnsOf(body: unknown): Table {
  if (Array.isArray(body)) return { params: undefined, columns: lineReader(body as string[][]) };
  const request = objectOf(body, 'the request');
  const given = shapes.filter((shape) => shape in request);
  const [shape] = given;
  if (given.length !== 1 || !shape)
    throw new Refusal(
      400,
      `the request has ${given.join(' and ') || 'no rows'}, expected one of ${shapes.join(', ')}`,
    );
  const data = request[shape];
  const { params } = request;
  if (shape === 'dataframe_split') return { params, columns: splitReader(data) };
  if (shape === 'inputs' && !Array.isArray(data))
    return { params, columns: columnReader(objectOf(data, shape)) };
  return { params, columns: recordReader(shape, data) };
}

type Reader = Table['columns'];
/** What a row has in a column; undefined where it has none. */
type Cell = (row: number, name: string, at: number) => unknown;

/** `{"columns": […], "data": [[…], …]}` */
function splitReader(data: unknown): Reader {
  const { columns, data: table } = objectOf(data, 'dataframe_split');
  if (!Array.isArray(columns) || !columns.every((name) => typeof name === 'string'))
    throw new Refusal(400, `dataframe_split.columns is ${shown(columns)}, expected names`);
  const twice = columns.find((name, at) => columns.indexOf(name) !== at);
  if (twice !== undefined) throw new Refusal(400, `column ${shown(twice)} is given twice`);
  const rows = listOf(table, 'dataframe_split.data').map((row, i) =>
    listOf(row, `dataframe_split.data[${i}]`),
  );
  const ragged = rows.findIndex(({ length }) => length !== columns.length);
  if (ragged !== -1)
    throw new Refusal(
      400,
      `dataframe_split.data[${ragged}] has ${rows[ragged]!.length} values for ${columns.length} columns`,
    );
  const places = new Map(columns.map((name, at): [string, number] => [name, at]));
  return reader(rows.length, columns, (row, name) => rows[row]![places.get(name) ?? -1]);
}

/** One object a row, or one bare row for a model of one tensor. */
function recordReader(shape: string, data: unknown): Reader {
  const rows = listOf(data, shape);
  if (rows.length === 0) throw new Refusal(400, 'the request has no rows');
  const [first] = rows;
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return bareReader(shape, rows);
  const records = rows.map((row, i) => objectOf(row, `${shape}[${i}]`));
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return reader(records.length, names, (row, name) =>
    Object.hasOwn(records[row]!, name) ? records[row]![name] : undefined,
  );
}

function bareReader(shape: string, rows: readonly unknown[]): Reader {
  return (version) => {
    const [only, ...others] = version.signature.inputs;
    if (others.length > 0)
      throw new Refusal(
        400,
        `${shape}[0] is ${shown(rows[0])}, expected an object of the model's ${others.length + 1} columns`,
      );
    return reader(rows.length, [only!.name], (row) => rows[row])(version);
  };
}

/** `{"column": [values], …}` */
function columnReader(columns: Record<string, unknown>): Reader {
  const lists = new Map(
    Object.entries(columns).map(([name, list]) => [name, listOf(list, `inputs.${name}`)]),
  );
  const [first] = lists.values();
  const ragged = [...lists].find(([, list]) => list.length !== first!.length);
  if (ragged)
    throw new Refusal(
      400,
      `inputs.${ragged[0]} has ${ragged[1].length} rows, the first column ${first!.length}`,
    );
  return reader(first?.length ?? 0, [...lists.keys()], (row, name) => lists.get(name)?.[row]);
}

function lineReader(lines: readonly (readonly string[])[]): Reader {
  return (version) => {
    const { inputs } = version.signature;
    const named = hasNames(lines, inputs);
    const rows = named ? lines.slice(1) : lines;
    const twice = named ? lines[0]!.find((name, at) => lines[0]!.indexOf(name) !== at) : undefined;
    if (twice !== undefined) throw new Refusal(400, `column ${shown(twice)} is given twice`);
    const places = placesOf(inputs, named ? lines[0]! : undefined);
    const width = places.at(-1)?.to ?? 0;
    if (!named && rows.length > 0 && rows[0]!.length !== width)
      throw new Refusal(
        400,
        `the first line has ${rows[0]!.length} values, expected the columns' names, or ${width} values`,
      );
    const cell: Cell = (row, _name, at) => {
      const { from, to } = places[at]!;
      const values = rows[row]!.slice(from, to).map((text) => cellValue(inputs[at]!, text));
      return to - from > 1 ? values : values[0];
    };
    return reader(rows.length, named ? lines[0]! : [], cell)(version);
  };
}

function reader(count: number, names: readonly string[], cell: Cell): Reader {
  return (version) => {
    if (count === 0) throw new Refusal(400, 'the request has no rows');
    if (count > maxRows)
      throw new Refusal(413, `the request has ${count} rows, at most ${maxRows} are taken`);
    const { inputs } = version.signature;
    const strange = names.find((name) => !inputs.some((spec) => spec.name === name));
    if (strange !== undefined) {
      const listed = inputs.map(({ name }) => `"${name}"`).join(', ');
      throw new Refusal(400, `column ${shown(strange)} is unknown; the model takes ${listed}`);
    }
    return rowsOf(
      inputs,
      version.columns.map((column, at) =>
        columnGiven(column, count, (row) => cell(row, column.spec.name, at)),
      ),
    );
  };
}

function columnGiven(column: Column, count: number, valueOf: (row: number) => unknown): Given {
  const { spec } = column;
  if (spec.datatype === 'FP16')
    throw new Refusal(400, `input "${spec.name}" is FP16, which JSON has no form for`);
  const trailing = spec.shape.slice(1);
  if (spec.shape[0] !== -1 || trailing.includes(-1))
    throw new Refusal(
      400,
      `input "${spec.name}" is no column, so the model is asked by /v2/models/…/infer only`,
    );
  const width = product(trailing);
  const elements: unknown[] = [];
  for (let row = 0; row < count; row++) {
    const value = valueOf(row);
    if (value === undefined) throw new Refusal(400, `row ${row} has no "${spec.name}"`);
    if (trailing.length === 0)
      elements.push(spec.kind === 'timestamp' ? momentOf(spec.name, row, value) : value);
    else elements.push(...rowOf(spec.name, row, value, width));
  }
  try {
    checkElements(column, elements, width);
  } catch (error) {
    if (!(error instanceof InexactNumber)) throw error;
    throw new Refusal(400, `${error.message}, and beyond 2^53 only by /v2/models/…/infer`);
  }
  return { elements: elements as Element[], dims: [count, ...trailing] };
}

/** The table of a data frame has times as text; the model has milliseconds. */
function momentOf(name: string, row: number, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const time = millisecondsOf(value);
  if (time !== undefined) return time;
  throw new Refusal(
    400,
    `input "${name}" row ${row} is ${shown(value)}, expected a time such as 2001-02-01T17:30:00Z, milliseconds since 1970, or null`,
  );
}

function rowOf(name: string, row: number, value: unknown, width: number): unknown[] {
  const list = Array.isArray(value) ? value.flat(8) : [value];
  if (list.length === width) return list;
  throw new Refusal(400, `input "${name}" row ${row} has ${list.length} values, expected ${width}`);
}

function listOf(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new Refusal(400, `${what} is ${shown(value)}, expected a list`);
}
