/**
 * Rows as CSV, the second language of MLflow's and SageMaker's clients: with the columns' names in the first line, as
 * pandas writes them, or without, in the order of the model's own, as SageMaker's algorithms have it.
 *
 * CSV has no types; the model has. A cell becomes what its column holds, and what cannot is refused as it was written.
 */
import { CsvError, parse } from 'csv-parse/sync';
import type { TensorSpec } from '../contracts/serving.ts';
import { product } from './decoder.ts';
import { Refusal } from '../infra/refusal.ts';

/** @throws Refusal 400 */
export function readCsv(bytes: Buffer): readonly (readonly string[])[] {
  try {
    return parse(bytes, { bom: true, skip_empty_lines: true });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new Refusal(400, `the body is not CSV: ${error.message}`);
  }
}

/** Whether the first line names columns. */
export function hasNames(lines: readonly (readonly string[])[], inputs: readonly TensorSpec[]): boolean {
  return lines[0]?.every((cell) => inputs.some(({ name }) => name === cell)) ?? false;
}

/**
 * @param names of the first line, if it has them; without, a tensor of many values a row takes as many cells
 * @returns for each input from which cell to which, of a line; empty where a named line has none
 */
export function placesOf(
  inputs: readonly TensorSpec[],
  names: readonly string[] | undefined,
): { from: number; to: number }[] {
  let next = 0;
  return inputs.map(({ name, shape }) => {
    if (!names) return { from: next, to: (next += Math.abs(product(shape.slice(1)))) };
    const at = names.indexOf(name);
    return { from: Math.max(at, 0), to: at + 1 };
  });
}

/** Empty is null, as is NaN where numbers are; whole numbers stay exact. */
export function cellValue({ datatype, nullable }: TensorSpec, text: string): unknown {
  if (datatype === 'BYTES') return text === '' && nullable ? null : text;
  const word = text.trim();
  if (word === '' || word === 'NaN' || word === 'nan') return null;
  if (datatype === 'BOOL') return { true: true, false: false }[word.toLowerCase()] ?? text;
  const number = Number(word);
  if (Number.isNaN(number)) return text;
  const exact = datatype.endsWith('INT64') && !Number.isSafeInteger(number) && /^-?[0-9]+$/.test(word);
  return exact ? BigInt(word) : number;
}
