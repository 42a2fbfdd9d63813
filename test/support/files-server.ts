/** The server of files for tests, and a model that has every datatype. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Datatype } from '../../contracts/serving.ts';
import { forkModule } from '../../infra/child.ts';
import { kinds } from '../../infra/onnx/datatypes.ts';
import { graph } from '../../infra/onnx/graph.ts';

export interface FilesServer {
  url: string;
  grpcPort: number;
  root: string;
  stop(): Promise<void>;
}

/** @param models bytes by name. @param extra more arguments. @param env more of the environment */
export async function serveFiles(
  models: Record<string, Uint8Array>,
  extra: string[] = [],
  env: Record<string, string> = {},
): Promise<FilesServer> {
  const root = await mkdtemp(join(tmpdir(), 'esteira-files-'));
  const args = ['--port', '0', '--grpc-port', '0', ...extra.map((arg) => arg.replace('<root>', root))];
  for (const [name, bytes] of Object.entries(models)) {
    const path = join(root, `${name}.onnx`);
    await writeFile(path, bytes);
    args.push('--model', `${name}=${path}`);
  }
  const child = forkModule(new URL('../../serving/files.ts', import.meta.url), {
    args,
    env: { ESTEIRA_HOME: root, LOG_LEVEL: 'error', ...env },
  });
  for await (const event of child.events) {
    if (event['event'] !== 'listening') continue;
    const stop = async () => {
      await child.kill();
      await rm(root, { recursive: true, force: true });
    };
    return { url: String(event['url']), grpcPort: Number(event['grpcPort']), root, stop };
  }
  throw new Error('the server of files did not start');
}

/** Gives back what it gets: for each datatype an input `in_…` and an output `out_…`, rows of three. */
export function mirrorModel(datatypes: readonly Datatype[] = Datatype.options): Uint8Array {
  const g = graph('mirror');
  for (const datatype of datatypes) {
    const { onnx } = kinds[datatype];
    const shape = ['rows', 3];
    const value = g.node('Identity', [g.input(`in_${datatype}`, onnx, shape)]);
    g.output(`out_${datatype}`, value, onnx, shape);
  }
  return g.bytes();
}

/** Adds to each row's numbers, FP32 [rows, 2] → FP32 [rows], and refuses nothing. */
export function sumModel(): Uint8Array {
  const g = graph('sum');
  const axis = g.constant('int64', [1]);
  const sum = g.node('ReduceSum', [g.input('x', 'float', ['rows', 2]), axis], { keepdims: 0 });
  g.output('y', sum, 'float', ['rows']);
  return g.bytes();
}

/** Two columns in, two out, a number that is missing taken for 0: what a table of mixed kinds needs. */
export function tableModel(): Uint8Array {
  const g = graph('table');
  const a = g.input('a', 'double', ['rows']);
  const b = g.input('b', 'string', ['rows']);
  const filled = g.node('Where', [g.node('IsNaN', [a]), g.constant('double', [0]), a]);
  g.output('doubled', g.node('Mul', [filled, g.constant('double', [2])]), 'double', ['rows']);
  g.output('same', g.node('Identity', [b]), 'string', ['rows']);
  return g.bytes();
}

/** A class by its name, as classifiers give it: 'low' where the number rounds to 0, 'high' at 1. */
export function classModel(): Uint8Array {
  const g = graph('class');
  const whole = g.node('Cast', [g.input('x', 'float', ['rows'])], { to: 7 });
  const name = g.node(
    'LabelEncoder',
    [whole],
    { keys_int64s: [0, 1], values_strings: ['low', 'high'], default_string: 'beyond' },
    'ai.onnx.ml',
  );
  g.output('label', name, 'string', ['rows']);
  return g.bytes();
}
