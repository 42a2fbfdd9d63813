/** The parts of a request that do not depend on a model: its id, its parameters, the outputs it asks for. */
import type { Ports, TensorSpec } from '../contracts/serving.ts';
import { objectOf } from './decoder.ts';
import { Refusal, shown } from '../infra/refusal.ts';
import { isWhole } from './texts.ts';

/** In bytes of UTF-8 it may be more: any text is an id. */
const maxIdLength = 200;

/** An output that was asked for by name. */
export interface Asked {
  name: string;
  /** As bytes, over what the request says of all. */
  binary: boolean | undefined;
}

export interface Envelope {
  id: string | undefined;
  /** What a caller sticks to one version by. */
  key: string | undefined;
  /** When it happened, for replays; ISO 8601, UTC. */
  time: string | undefined;
  /** From its arrival, in ms; an answer that comes later is of no use. */
  timeoutMs: number | undefined;
  /** Whether outputs are given as bytes. */
  binary: boolean;
  inputs: unknown[];
  /** Undefined is all. */
  outputs: Asked[] | undefined;
}

/** @throws Refusal 400 */
export function readEnvelope(body: unknown): Envelope {
  const { id, parameters, inputs, outputs } = objectOf(body, 'the request');
  if (!Array.isArray(inputs))
    throw new Refusal(400, `inputs is ${shown(inputs)}, expected an array of tensors`);
  const { key, time, timeoutMs, binary } = readParameters(parameters);
  return { id: readId(id), key, time, timeoutMs, binary, inputs, outputs: readOutputs(outputs) };
}

/** @throws Refusal 400 */
export function readId(id: unknown): string | undefined {
  if (id === undefined || id === '') return undefined;
  if (typeof id === 'string' && id.length <= maxIdLength && isWhole(id)) return id;
  throw new Refusal(
    400,
    `id is ${shown(id)}, expected a string of at most ${maxIdLength} characters, without NUL or half a surrogate pair`,
  );
}

type Parameters = Pick<Envelope, 'key' | 'time' | 'timeoutMs' | 'binary'>;
const none: Parameters = { key: undefined, time: undefined, timeoutMs: undefined, binary: false };

/** `timeout` is in microseconds, as Triton has it. @throws Refusal 400 */
export function readParameters(given: unknown): Parameters {
  if (given === undefined) return none;
  const parameters = objectOf(given, 'parameters');
  for (const [name, value] of Object.entries(parameters)) {
    if (!['string', 'number', 'boolean', 'bigint'].includes(typeof value))
      throw new Refusal(
        400,
        `parameter ${shown(name)} is ${shown(value)}, expected a string, number or boolean`,
      );
    if (name.startsWith('sequence_'))
      throw new Refusal(501, `parameter ${shown(name)} asks for a stateful model, and none is served here`);
  }
  const { key, time, timeout, binary_data_output: binary } = parameters;
  if (key !== undefined && typeof key !== 'string' && typeof key !== 'number')
    throw new Refusal(400, `parameter key is ${shown(key)}, expected a string or a number`);
  if (binary !== undefined && typeof binary !== 'boolean')
    throw new Refusal(400, `parameter binary_data_output is ${shown(binary)}, expected true or false`);
  return {
    key: key === undefined ? undefined : String(key),
    time: time === undefined ? undefined : readTime(time),
    timeoutMs: timeout === undefined ? undefined : readTimeout(timeout),
    binary: binary ?? false,
  };
}

function readTimeout(timeout: unknown): number {
  if (Number.isSafeInteger(timeout) && (timeout as number) > 0) return (timeout as number) / 1_000;
  throw new Refusal(400, `parameter timeout is ${shown(timeout)}, expected a number of microseconds above 0`);
}

/** @returns the same moment in the one form that sorts as text */
export function readTime(time: unknown): string {
  const parsed = typeof time === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(time) ? Date.parse(time) : NaN;
  if (!Number.isNaN(parsed)) return new Date(parsed).toISOString();
  throw new Refusal(400, `time is ${shown(time)}, expected ISO 8601 in UTC such as "2001-01-31T00:00:00Z"`);
}

function readOutputs(outputs: unknown): Asked[] | undefined {
  if (outputs === undefined) return undefined;
  if (!Array.isArray(outputs)) throw new Refusal(400, `outputs is ${shown(outputs)}, expected an array`);
  if (outputs.length === 0) return undefined;
  return outputs.map((output: unknown, index) => {
    const { name, parameters } = objectOf(output, `output ${index}`);
    if (typeof name !== 'string') throw new Refusal(400, `output ${index} has no name`);
    return { name, binary: parameters === undefined ? undefined : readOutputParameters(name, parameters) };
  });
}

/** @throws Refusal 400, 501 */
export function readOutputParameters(name: string, given: unknown): boolean | undefined {
  const parameters = objectOf(given, `output ${shown(name)} parameters`);
  const { binary_data: binary, classification, shared_memory_region: region } = parameters;
  if (classification !== undefined || region !== undefined) {
    const what = region === undefined ? 'by classification' : 'in shared memory';
    throw new Refusal(501, `output ${shown(name)} is asked for ${what}, which is not given here`);
  }
  if (binary === undefined || typeof binary === 'boolean') return binary;
  throw new Refusal(400, `output ${shown(name)} has binary_data ${shown(binary)}, expected true or false`);
}

/** An output to be given, with its place in the signature. */
export interface Wanted {
  spec: TensorSpec;
  at: number;
  binary: boolean;
}

/** @throws Refusal 400 for an output that the model does not give, or asked for twice: an answer for each would do harm */
export function wantedOutputs(
  { outputs }: Ports,
  asked: readonly Asked[] | undefined,
  binary: boolean,
): readonly Wanted[] {
  if (!asked) return outputs.map((spec, at) => ({ spec, at, binary }));
  const twice = asked.find(
    ({ name }, i) => i > outputs.length || asked.findIndex((one) => one.name === name) !== i,
  );
  if (twice) throw new Refusal(400, `output ${shown(twice.name)} is asked for twice`);
  return asked.map(({ name, binary: own }) => {
    const at = outputs.findIndex((output) => output.name === name);
    if (at !== -1) return { spec: outputs[at]!, at, binary: own ?? binary };
    const listed = outputs.map((output) => `"${output.name}"`).join(', ');
    throw new Refusal(400, `output ${shown(name)} is unknown; the model gives ${listed}`);
  });
}
