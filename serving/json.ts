/** Bodies as JSON: strict about their encoding, and exact where a model takes integers of 64 bits. */
import { isUtf8 } from 'node:buffer';
import { parse } from 'lossless-json';
import { Refusal } from '../infra/refusal.ts';

/** Whose body it is, for the sentence. */
export interface Asked {
  method?: string | undefined;
  url?: string | undefined;
}

/** @throws Refusal 400 */
export function parseJson(bytes: Buffer, asked: Asked): unknown {
  if (!isUtf8(bytes)) throw new Refusal(400, `the body of ${named(asked)} is not UTF-8`);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(400, `the body of ${named(asked)} is not JSON: ${error.message}`);
  }
}

/**
 * As Python's `json` writes it, too, which MLflow's clients send: NaN where a table has no value. It is read as null.
 * @throws Refusal 400
 */
export function parsePythonJson(bytes: Buffer, asked: Asked): unknown {
  if (!bytes.includes('NaN')) return parseJson(bytes, asked);
  const text = bytes.toString('utf8').replaceAll(stringOrNan, (found) => (found === 'NaN' ? 'null' : found));
  return parseJson(Buffer.from(text, 'utf8'), asked);
}

/** Strings are found first, so that what they say is left alone. */
const stringOrNan = /"(?:[^"\\]|\\.)*"|\bNaN\b/g;

const named = ({ method, url }: Asked): string => `${method} ${url?.slice(0, 200)}`;

/**
 * The same once more, with integers beyond 2^53 as bigint: ten times slower, so only for the body that has one where
 * it counts.
 *
 * @param bytes which `parseJson` has taken
 */
export function parseExactly(bytes: Buffer): unknown {
  return parse(bytes.toString('utf8'), undefined, {
    parseNumber: (text) => (isUnsafeInteger(text) ? BigInt(text) : Number(text)),
    onDuplicateKey: ({ newValue }) => newValue, // as JSON.parse has it
  });
}

const isUnsafeInteger = (text: string): boolean =>
  /^-?[0-9]+$/.test(text) && !Number.isSafeInteger(Number(text));
