/**
 * Whether a converted model says what its framework said: a converter that rounds a threshold, or reads a missing value
 * another way, makes a model that nobody has trained.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { permanent } from '../../contracts/failures.ts';
import type { Child, ChildOptions } from '../../infra/child.ts';
import { readUntrusted } from '../../infra/untrusted-file.ts';
import type { PackagePlan } from './package-model.ts';

/** FP32 against a framework's doubles. */
const absolute = 1e-4;
const relative = 1e-3;
/** Of the rows; a value that lies on a tree's threshold may fall to its other side. */
const shareAtLeast = 0.99;
const rowsAtMost = 1_000;

const limits = { memoryBytes: 2 * 1024 ** 3, totalMs: 120_000 };

const Sample = z.array(z.union([z.number(), z.array(z.number())])).min(1);
const Scored = z.union([z.object({ outputs: z.string() }), z.object({ faults: z.array(z.string()) })]);

export interface AgreementDeps {
  forkModule(url: URL, options: ChildOptions): Child;
}

/**
 * Checks and packages the model, and compares it with its framework.
 *
 * @param transform, part local paths; the part is the first of the validation side
 * @param sample a JSON file of the trainer's: what it predicts for the first rows of that part
 * @returns the package's path, how many rows were compared, and the largest difference
 * @throws `ModelRefused` when it is no model to accept, or they part
 */
export async function checkAgreement(
  folder: string,
  deps: AgreementDeps,
  plan: PackagePlan,
  given: { model: Uint8Array; transform: string; sample: string; part: string },
): Promise<{ packaged: string; rows: number; worst: number }> {
  const { sample, ...rest } = given;
  const said = await readSample(folder, sample);
  const packaged = join(folder, 'packaged.onnx');
  const answers = await scored(folder, deps, { ...rest, plan, packaged, rows: said.length });
  const width = answers.length / said.length;
  const off = said.map((row, i) => apart([row].flat(), answers.subarray(i * width, (i + 1) * width)));
  const bad = off.filter(({ outside }) => outside);
  const worst = Math.max(...off.map(({ by }) => by));
  if (bad.length > (1 - shareAtLeast) * said.length) {
    const at = off.findIndex(({ outside }) => outside);
    const model = Array.from(answers.subarray(at * width, (at + 1) * width)).map(short);
    const framework = [said[at]!].flat().map(short).join(', ');
    throw refused(
      `the ONNX model and its framework part on ${bad.length} of ${said.length} validation rows: for row ${at} the framework says ${framework}, the model ${model.join(', ')}`,
    );
  }
  return { packaged, rows: said.length, worst };
}

async function readSample(folder: string, path: string): Promise<z.infer<typeof Sample>> {
  const bytes = await readUntrusted(path, { within: join(folder, 'work'), maxBytes: 64 * 1024 ** 2 });
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw refused(`its sample of predictions is not JSON: ${String(error)}`);
  }
  const { success, data } = Sample.safeParse(value);
  if (!success)
    throw refused('its sample of predictions must be an array of numbers, or of arrays of numbers');
  return data.slice(0, rowsAtMost);
}

async function scored(
  folder: string,
  deps: AgreementDeps,
  {
    model,
    ...request
  }: {
    model: Uint8Array;
    transform: string;
    packaged: string;
    part: string;
    rows: number;
    plan: PackagePlan;
  },
): Promise<Float32Array> {
  const path = join(folder, 'agreement.onnx');
  const cwd = join(folder, 'agreement');
  await writeFile(path, model);
  await mkdir(cwd, { recursive: true });
  const lines: string[] = [];
  const child = deps.forkModule(new URL('./agreement-child.ts', import.meta.url), {
    ...{ cwd, limits: { ...limits, memoryBytes: limits.memoryBytes + 4 * model.length } },
    input: JSON.stringify({ ...request, model: path, spillDir: cwd }),
    onText: (line) => void (lines.push(line) > 20 && lines.shift()),
  });
  let outputs: Float32Array | undefined;
  let faults: string[] = [];
  for await (const line of child.events) {
    const said = Scored.parse(line);
    if ('faults' in said) ({ faults } = said);
    else outputs = floats(said.outputs);
  }
  const { code, signal, over } = await child.exited;
  if (faults.length > 0) throw refused(faults.join('; '));
  if (over) throw refused(`it goes beyond its limit of ${over} on ${request.rows} rows`);
  if (signal) throw new Error(`scoring a sample was ended by ${signal}`);
  if (code !== 0 || !outputs)
    throw refused(`it cannot be run on ${request.rows} rows: ${lines.join(' ').slice(-1_000)}`);
  if (outputs.length === 0 || outputs.length % request.rows !== 0) {
    throw refused(`it answers ${outputs.length} values for ${request.rows} rows`);
  }
  return outputs;
}

/** A row's difference; rows of unequal widths agree in nothing. */
function apart(said: readonly number[], answer: Float32Array): { by: number; outside: boolean } {
  if (said.length !== answer.length) return { by: Infinity, outside: true };
  let by = 0;
  let outside = false;
  for (const [i, value] of said.entries()) {
    const difference = Math.abs(value - answer[i]!);
    by = Math.max(by, difference);
    // Not `>`: what is NaN is outside.
    if (!(difference <= absolute + relative * Math.abs(value))) outside = true;
  }
  return { by, outside };
}

const refused = (why: string) =>
  permanent('ModelRefused', `the model that the trainer made: ${why}`, { uri: '' });
const short = (value: number) => Number(value.toPrecision(5));

function floats(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
}
