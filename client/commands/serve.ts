/** Serving files without a belt: to try a model, to test a client, to measure. */
import { access } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { portOf, runServer } from '../run-server.ts';

interface ServeOptions {
  name?: string[];
  port?: string;
  grpcPort?: string;
  log?: string;
  json?: boolean;
}

interface Listening {
  url: string;
  grpcPort?: number;
  models: { name: string; inputs: TensorLine[]; outputs: TensorLine[] }[];
}

interface TensorLine {
  name: string;
  datatype: string;
  shape: number[];
}

export function addServeCommand(program: Command): void {
  program
    .command('serve <model.onnx...>')
    .description('serve ONNX files by the Open Inference Protocol, without Temporal, until Ctrl-C')
    .option('--name <name...>', 'what each is asked for by; its file name without .onnx, if absent')
    .option('--port <n>', 'for HTTP; 8080, or ESTEIRA_SERVING_PORT, if absent; 0 is any that is free')
    .option('--grpc-port <n>', 'for gRPC, which is not served without it; 0 is any that is free')
    .option('--log <folder>', 'write every prediction down there, as Parquet')
    .option('--json', 'for machines')
    .action(serve);
}

async function serve(paths: string[], options: ServeOptions): Promise<void> {
  const models = await named(paths, options.name ?? []);
  const { readConfig } = await import('../../infra/config.ts');
  readConfig(); // what is wrong in it is said here, once
  const args = [
    ...models.flatMap(({ name, path }) => ['--model', `${name}=${path}`]),
    ...(options.port === undefined ? [] : ['--port', portOf(options.port)]),
    ...(options.grpcPort === undefined ? [] : ['--grpc-port', portOf(options.grpcPort)]),
    ...(options.log === undefined ? [] : ['--log', resolve(options.log)]),
  ];
  await runServer({
    module: new URL('../../serving/files.ts', import.meta.url),
    ...{ args, json: options.json === true },
    text: (listening) => described(listening as unknown as Listening),
  });
}

/** @throws Error that names the file or the name which is wrong */
async function named(paths: readonly string[], names: readonly string[]) {
  if (names.length > paths.length)
    throw new Error(`there are ${names.length} names for ${paths.length} files; the last is ${names.at(-1)}`);
  const models = paths.map((path, i) => ({ name: names[i] ?? basename(path, '.onnx'), path: resolve(path) }));
  for (const [i, { name, path }] of models.entries()) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name))
      throw new Error(`"${name}" is no name to ask for a model by; give one with --name, such as my-model`);
    if (models.findIndex((other) => other.name === name) !== i)
      throw new Error(`two files would be called ${name}; give each its --name`);
    await access(path).catch(() => {
      throw new Error(`there is no file ${path}`);
    });
  }
  return models;
}

function described({ url, grpcPort, models }: Listening): string {
  const line = ({ name, datatype, shape }: TensorLine) =>
    `${name} ${datatype} [${shape.map((size) => (size === -1 ? '…' : size)).join(', ')}]`;
  return [
    ...models.flatMap(({ name, inputs, outputs }) => [
      name,
      `  in    ${inputs.map(line).join(', ')}`,
      `  out   ${outputs.map(line).join(', ')}`,
      `  POST  ${url}/v2/models/${name}/infer`,
    ]),
    ...(grpcPort === undefined ? [] : [`gRPC    ${new URL(url).hostname}:${grpcPort}`]),
    'Serving. Ctrl-C stops.',
  ].join('\n');
}
