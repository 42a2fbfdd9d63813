/** One line of the prediction log a row, written by a function that is compiled from the model's signature. */
import { createHmac } from 'node:crypto';
import type { Ports, TensorSpec } from '../contracts/serving.ts';
import type { Route } from '../contracts/serving.ts';
import { halfToNumber } from '../infra/onnx/datatypes.ts';
import { nullTimestamp } from '../infra/onnx/session.ts';
import { quoted } from './encoder.ts';
import type { Elements, Rows } from './rows.ts';
import type { Ran } from './lane.ts';

/** What is said of all rows of a request. */
export interface LineHead {
  id: string;
  /** ISO 8601, UTC: when it happened, when it was answered. */
  time: string;
  loggedAt: string;
  route: Route;
  epoch: number;
  /** From arrival to here. */
  ms: number;
}

export type LinesOf = (head: LineHead, rows: Rows, ran: Ran) => string;

/** What becomes of a column that tells of a person. The key makes a hash one that nobody can try values against. */
export type Privacy = { as: 'omit' } | { as: 'hash'; key: string };

/** @param privacy by input name */
export function compileLines(
  { inputs, outputs }: Ports,
  privacy: ReadonlyMap<string, Privacy> = new Map(),
): LinesOf {
  const ins = inputs.flatMap((spec, at) => {
    const kept = privacy.get(spec.name);
    return kept?.as === 'omit' ? [] : [fieldOf(spec, at, kept)];
  });
  const outs = outputs.map((spec, at) => fieldOf(spec, at, undefined));
  return (head, rows, { outputs: given, queueMs, computeMs }) => {
    const shared =
      `,"time":"${head.time}","loggedAt":"${head.loggedAt}","route":"${head.route}","epoch":${head.epoch}` +
      `,"ms":${micros(head.ms)},"queueMs":${micros(queueMs)},"computeMs":${micros(computeMs)},"inputs":{`;
    let lines = '';
    for (let row = 0; row < rows.count; row++) {
      const id = rows.count === 1 ? head.id : `${head.id}/${row}`;
      lines += `{"id":${quoted(id)}${shared}`;
      for (let i = 0; i < ins.length; i++) {
        const field = ins[i]!;
        lines +=
          (i > 0 ? ',' : '') + field.name + rowText(field, rows.inputs[field.at]!.elements, row, rows.count);
      }
      lines += '},"outputs":{';
      for (let i = 0; i < outs.length; i++) {
        const field = outs[i]!;
        lines += (i > 0 ? ',' : '') + field.name + rowText(field, given[field.at]!.values, row, rows.count);
      }
      lines += '}}\n';
    }
    return lines;
  };
}

const micros = (ms: number): number => Math.round(ms * 1_000) / 1_000;

type ValueText = (value: unknown) => string;

interface Field {
  at: number;
  /** In quotes, with its colon. */
  name: string;
  list: boolean;
  text: ValueText;
}

function fieldOf(spec: TensorSpec, at: number, privacy: Privacy | undefined): Field {
  return { at, name: `${quoted(spec.name)}:`, list: isList(spec), text: writer(spec, privacy) };
}

/** Whether a row has a list of it, whatever its rank, and not one value. */
export function isList({ shape }: Pick<TensorSpec, 'shape'>): boolean {
  return shape.length !== 1 || shape[0] !== -1;
}

function rowText({ list, text }: Field, elements: Elements, row: number, rows: number): string {
  if (!list) return text(elements[row]);
  const width = elements.length / rows;
  let all = '[';
  for (let i = row * width; i < (row + 1) * width; i++)
    all += (i > row * width ? ',' : '') + text(elements[i]);
  return `${all}]`;
}

/** The inputs as the log's columns: without those that are left out, hashes as text. */
export function loggedInputs({ inputs }: Ports, privacy: ReadonlyMap<string, Privacy>): TensorSpec[] {
  return inputs.flatMap((spec): TensorSpec[] => {
    const as = privacy.get(spec.name)?.as;
    if (as === 'omit') return [];
    if (as !== 'hash') return [spec];
    const { name, shape } = spec;
    return [{ name, shape, datatype: 'BYTES' }];
  });
}

function writer({ datatype, nullable }: TensorSpec, privacy: Privacy | undefined): ValueText {
  const text = plainWriter(datatype, nullable === true);
  if (privacy?.as !== 'hash') return text;
  return (value) => (value === null ? 'null' : hashed(text(value), privacy.key));
}

/** @returns 32 hex digits, in quotes */
function hashed(text: string, key: string): string {
  return `"${createHmac('sha256', key).update(text).digest('hex').slice(0, 32)}"`;
}

function plainWriter(datatype: TensorSpec['datatype'], nullable: boolean): ValueText {
  if (datatype === 'BYTES') return (value) => (value === null ? 'null' : quoted(value as string));
  if (datatype === 'BOOL')
    return (value) => (value === true || value === 1 ? 'true' : value === null ? 'null' : 'false');
  if (datatype === 'FP16') return (value) => numberText(halfToNumber(value as number));
  if (datatype === 'FP32' || datatype === 'FP64') return (value) => numberText(value as number | null);
  if (!nullable) return String;
  return (value) => (value === nullTimestamp ? 'null' : String(value));
}

/** The log's reader takes infinity as a word, and JSON has no other. */
function numberText(value: number | null): string {
  if (value === null || Number.isNaN(value)) return 'null';
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}
