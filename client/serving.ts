/** The serving side, as a client sees it: Open Inference Protocol v2 over HTTP. */
import type { Label } from '../contracts/serving.ts';
import { servingToken } from '../infra/config.ts';
import { millisecondsOf } from '../infra/moment.ts';
import { didYouMean } from '../infra/nearest.ts';

export interface Predictions {
  /** The id of each row's prediction: labels refer to it. */
  ids: string[];
  version: string;
  predictions: (number | string | number[])[];
}

interface ModelMetadata {
  inputs: { name: string; datatype: string }[];
}
interface InferResponse {
  id: string;
  model_version: string;
  outputs: { name: string; shape: number[]; data: (number | string)[] }[];
}

/**
 * @param rows one object a row, `{ column: value }`; a column that is absent is null
 * @param options.time when it happens, for replays; `key` keeps a caller on one version
 * @throws Error with the server's own sentence, or naming a column that is no input: a misspelt one would
 * otherwise count as absent, and be answered wrongly
 */
export async function predict(
  url: string,
  model: string,
  rows: Record<string, unknown>[],
  options: { id?: string; time?: string; key?: string } = {},
): Promise<Predictions> {
  const { inputs } = await request<ModelMetadata>(`${url}/v2/models/${model}`);
  const known = inputs.map(({ name }) => name);
  const stranger = rows.flatMap((row) => Object.keys(row)).find((name) => !known.includes(name));
  if (stranger !== undefined) {
    const guess = didYouMean(stranger, known);
    throw new Error(`"${stranger}" is no input of ${model}${guess}; it takes ${known.join(', ')}`);
  }
  return infer(url, model, inputs, rows, options);
}

/** The same, for callers that know the inputs already and ask often. */
export async function infer(
  url: string,
  model: string,
  inputs: ModelMetadata['inputs'],
  rows: Record<string, unknown>[],
  options: { id?: string; time?: string; key?: string } = {},
): Promise<Predictions> {
  const { id, time, key } = options;
  const response = await request<InferResponse>(`${url}/v2/models/${model}/infer`, {
    ...(id && { id }),
    parameters: { ...(time && { time }), ...(key && { key }) },
    inputs: inputs.map(({ name, datatype }) => ({
      name,
      datatype,
      shape: [rows.length],
      data: rows.map((row) => encode(name, row[name], datatype)),
    })),
  });
  const [first] = response.outputs;
  const width = first!.shape[1] ?? 1;
  const predictions = rows.map((_, i) =>
    width === 1 ? first!.data[i]! : (first!.data.slice(i * width, (i + 1) * width) as number[]),
  );
  const ids = rows.map((_, i) => (rows.length === 1 ? response.id : `${response.id}/${i}`));
  return { ids, version: response.model_version, predictions };
}

/** @returns how many were taken. */
export async function postLabels(url: string, model: string, labels: Label[]): Promise<number> {
  const { accepted } = await request<{ accepted: number }>(`${url}/models/${model}/labels`, { labels });
  return accepted;
}

/** Times may be written as text; the signature wants milliseconds. Without a zone they are UTC, as in the data. */
function encode(name: string, value: unknown, datatype: string): unknown {
  if (value === undefined || value === null) return datatype === 'BYTES' ? '' : null;
  if (datatype !== 'INT64' || typeof value !== 'string') return value;
  const time = millisecondsOf(value);
  if (time !== undefined) return time;
  throw new Error(`"${name}" is "${value}"; give a time such as 2001-02-01T17:30:00Z, or milliseconds`);
}

async function request<T>(url: string, body?: unknown): Promise<T> {
  const token = servingToken();
  const response = await fetch(url, {
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new Error(unanswered(new URL(url).origin, error), { cause: error });
  });
  const answer = (await response.json()) as T & { error?: string };
  if (!response.ok) throw new Error(answer.error ?? `${url} answered ${response.status}`);
  return answer;
}

function unanswered(origin: string, error: unknown): string {
  const { code = '' } = (error as { cause?: { code?: string } }).cause ?? {};
  if (/CERT|SIGNATURE/.test(code))
    return `nobody here vouches for the certificate of ${origin} (${code}); NODE_EXTRA_CA_CERTS names a file of who does`;
  return `nothing answers at ${origin}; \`esteira up\` starts the endpoint`;
}
