/** What the columns of a landing source are, and whether rows fit them. */
import { z } from 'zod';
import { Refusal } from '../../infra/refusal.ts';
import type { SqlType, Value } from './packing.ts';
import type { Rows } from './rows.ts';
import { ColumnType } from './settings.ts';

/** `landed/<source>/schema.json`: as it was declared, or as the first push was. */
export const LandingSchema = z.object({
  columns: z
    .array(z.object({ name: z.string().min(1).max(128), type: ColumnType }))
    .min(1)
    .max(1_000),
});
export type LandingSchema = z.infer<typeof LandingSchema>;

export const sqlTypes: Record<ColumnType, SqlType> = {
  number: 'DOUBLE',
  text: 'VARCHAR',
  boolean: 'BOOLEAN',
  time: 'TIMESTAMP',
};

const faultsAtMost = 10;
const textAtMost = 100_000;
const numberForm = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;
const timeForm = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
const reserved = new Set(['__proto__', 'constructor', 'prototype']);

/** Of all rows together. @throws Refusal 400 for a column that has no value, or values of two types */
export function schemaOf({ rows, format }: Rows): LandingSchema {
  const types = new Map<string, ColumnType | undefined>();
  for (const { where, values } of rows) {
    for (const [name, value] of Object.entries(values)) {
      const type = value === null ? undefined : typeOf(value, format);
      const before = types.get(name);
      if (value !== null && !type)
        throw new Refusal(400, `${where}: ${shown(name)} is no number, text, boolean or time`);
      if (!before || !type) types.set(name, before ?? type);
      else if (before !== type) types.set(name, 'text');
    }
  }
  const columns = [...types].map(([name, type]) => {
    if (type) return { name, type };
    throw new Refusal(
      400,
      `${shown(name)} has no value in this first push; declare its type in the gateway's settings`,
    );
  });
  const { success, data } = LandingSchema.safeParse({ columns });
  if (success && !columns.some(({ name }) => reserved.has(name))) return data;
  throw new Refusal(400, 'rows must have 1 to 1000 columns, with names of 1 to 128 characters');
}

/** @returns values in the order of the schema. @throws Refusal 400 that names the first lines and fields that do not fit */
export function fitted({ rows, format }: Rows, { columns }: LandingSchema): Value[][] {
  const names = new Set(columns.map(({ name }) => name));
  const faults: string[] = [];
  const values = rows.map(({ where, values: given }) => {
    const stranger = Object.keys(given).find((name) => !names.has(name));
    if (stranger !== undefined)
      faults.push(
        `${where}: ${shown(stranger)} is no column; there are ${[...names].slice(0, 20).join(', ')}`,
      );
    return columns.map(({ name, type }): Value => {
      const value = Object.hasOwn(given, name) ? given[name] : null;
      if (value === null || value === undefined) return null;
      const fit = fitters[type](value, format);
      if (fit === undefined)
        faults.push(`${where}: ${shown(name)} is ${shown(value)}; it must be ${words[type]}`);
      return fit ?? null;
    });
  });
  if (faults.length === 0) return values;
  const more = faults.length > faultsAtMost ? `; and ${faults.length - faultsAtMost} more` : '';
  throw new Refusal(400, `${faults.slice(0, faultsAtMost).join('; ')}${more}; no row was taken`);
}

function typeOf(value: unknown, format: Rows['format']): ColumnType | undefined {
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value !== 'string') return undefined;
  if (fitters.time(value, format) !== undefined) return 'time';
  if (format === 'csv' && numberForm.test(value)) return 'number';
  if (format === 'csv' && fitters.boolean(value, format) !== undefined) return 'boolean';
  return 'text';
}

type Fitter = (value: unknown, format: Rows['format']) => Value | undefined;

const fitters: Record<ColumnType, Fitter> = {
  number(value, format) {
    if (format === 'csv' && typeof value === 'string' && numberForm.test(value)) return finite(Number(value));
    return typeof value === 'number' ? finite(value) : undefined;
  },
  text(value) {
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    // A NUL would end the text for whoever reads it in C.
    return typeof value === 'string' && value.length <= textAtMost && !value.includes('\0')
      ? value
      : undefined;
  },
  boolean(value, format) {
    if (format === 'csv' && typeof value === 'string' && /^(true|false)$/i.test(value))
      return value.toLowerCase() === 'true';
    return typeof value === 'boolean' ? value : undefined;
  },
  /** Without a zone it is UTC. */
  time(value) {
    if (typeof value !== 'string' || !timeForm.test(value)) return undefined;
    const zoned = /(Z|[+-]\d{2}:?\d{2})$/.test(value) || value.length === 10;
    const ms = Date.parse(zoned ? value : `${value.replace(' ', 'T')}Z`);
    return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
  },
};

const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);

const words: Record<ColumnType, string> = {
  number: 'a number',
  text: `a text of at most ${textAtMost} characters`,
  boolean: 'true or false',
  time: 'a time in ISO 8601, such as 2001-02-01T06:00:00Z',
};

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
