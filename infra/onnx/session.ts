/**
 * One opened model: columns in, outputs out.
 *
 * `run` blocks the thread it is called on for as long as the arithmetic takes, although it returns a
 * promise: bulk work belongs in a child process.
 */
import './no-telemetry.mjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Ports, TensorSpec } from '../../contracts/serving.ts';
import { kinds } from './datatypes.ts';
import type { Values } from './datatypes.ts';

/** Column-wise rows. Typed arrays are taken as they are; plain ones may hold null. */
export type ColumnValues =
  readonly (number | string | boolean | null)[] | Float64Array | BigInt64Array | Uint8Array;
export type ColumnBatch = Record<string, ColumnValues>;

/** A missing timestamp, as numpy's NaT: INT64 has no NaN. */
export const nullTimestamp = -(2n ** 63n);

/** One tensor with its shape. */
export interface Feed {
  values: Values;
  dims: readonly number[];
}

export interface OpenModel {
  /** @returns each output of the signature, row-major. @throws Error for an output that has not one answer a row */
  run(columns: ColumnBatch): Promise<Record<string, Float32Array>>;
  /**
   * @param feeds one for each input of the signature, in its order
   * @returns one for each output, in its order
   */
  infer(feeds: readonly Feed[]): Promise<Feed[]>;
  close(): Promise<void>;
}

/** One thread, so that the same rows give the same bits on a machine, whatever its cores. */
export async function openSession(
  model: string | Uint8Array,
  provider: Provider = 'cpu',
): Promise<InferenceSession> {
  const options: InferenceSession.SessionOptions = {
    ...{ intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 },
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
  };
  return typeof model === 'string'
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options);
}

/** What the arithmetic runs on. CUDA needs the libraries that the GPU image installs; WebGPU comes with the runtime. */
export type Provider = 'cpu' | 'webgpu' | 'cuda';

/** Fastest first. */
const onDevice: readonly Provider[] = ['cuda', 'webgpu', 'cpu'];

/**
 * On the fastest provider that this machine can open.
 * @param refused told of each that it cannot, and why
 */
export async function openOnDevice(
  model: Uint8Array,
  refused: (provider: Provider, why: string) => void,
): Promise<{ session: InferenceSession; provider: Provider }> {
  for (const provider of onDevice) {
    try {
      return { session: await openSession(model, provider), provider };
    } catch (error) {
      if (provider === 'cpu') throw error;
      refused(provider, error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error('no provider was tried');
}

export async function openModel(model: string | Uint8Array, signature: Ports): Promise<OpenModel> {
  return modelOf(await openSession(model), signature);
}

export function modelOf(session: InferenceSession, signature: Ports): OpenModel {
  const names = signature.outputs.map(({ name }) => name);
  const inputs = signature.inputs.map(({ name, datatype }) => ({ name, type: kinds[datatype].runtime }));
  const free = signature.inputs[0]!.shape[0] === -1;
  return {
    async infer(feeds) {
      const tensors: Record<string, Tensor> = {};
      inputs.forEach(({ name, type }, i) => {
        const { values, dims } = feeds[i]!;
        tensors[name] = new Tensor(type, values, dims);
      });
      const results = await session.run(tensors, names);
      return signature.outputs.map((spec) => {
        const { data, dims } = results[spec.name]!;
        if (free && spec.shape[0] === -1) checkRows(spec, data, feeds[0]!.dims[0]!);
        return { values: data, dims };
      });
    },
    async run(columns) {
      const results = await session.run(tensorsOf(signature, columns), names);
      const rows = columns[signature.inputs[0]!.name]!.length;
      return Object.fromEntries(
        signature.outputs.map((spec) => [spec.name, answers(spec, results[spec.name]!, rows)]),
      );
    },
    close: () => session.release(),
  };
}

function answers(spec: TensorSpec, { data }: Tensor, rows: number): Float32Array {
  if (!(data instanceof Float32Array)) throw new Error(`output ${spec.name} holds no FP32 numbers`);
  checkRows(spec, data, rows);
  return data;
}

/** A graph may promise one answer a row and give another number of them: whose they are, nobody could say. */
function checkRows({ name, shape }: TensorSpec, { length }: Tensor.DataType, rows: number): void {
  const width = shape.slice(1).reduce((product, size) => product * size, 1);
  // A width of -1 is left open, as the classes of old packages are.
  if (width > 0 ? length === rows * width : length % rows === 0) return;
  throw new Error(`output ${name} has ${length} values for ${rows} rows of ${Math.abs(width)}`);
}

/** @throws Error for a column that is absent. */
export function tensorsOf(signature: Ports, columns: ColumnBatch): Record<string, Tensor> {
  return Object.fromEntries(
    signature.inputs.map((spec) => {
      const values = columns[spec.name];
      if (!values) throw new Error(`column ${spec.name} is not given`);
      return [spec.name, tensorOf(spec, values)];
    }),
  );
}

function tensorOf({ datatype }: TensorSpec, values: ColumnValues): Tensor {
  const dims = [values.length];
  if (datatype === 'BYTES') return new Tensor('string', Array.from(values, text), dims);
  if (datatype === 'BOOL')
    return new Tensor('bool', Uint8Array.from(values as ArrayLike<number>, truth), dims);
  if (datatype === 'INT64') return new Tensor('int64', int64s(values), dims);
  const doubles = values instanceof Float64Array ? values : Float64Array.from(values as number[], double);
  return datatype === 'FP64'
    ? new Tensor('float64', doubles, dims)
    : new Tensor('float32', Float32Array.from(doubles), dims);
}

const text = (value: unknown): string => (value === null ? '' : String(value));
const truth = (value: unknown): number => (value ? 1 : 0);
const double = (value: number | null): number => (value === null ? NaN : Number(value));

function int64s(values: ColumnValues): BigInt64Array {
  if (values instanceof BigInt64Array) return values;
  return BigInt64Array.from(values as (number | null)[], (value) =>
    value === null ? nullTimestamp : BigInt(Math.trunc(Number(value))),
  );
}
