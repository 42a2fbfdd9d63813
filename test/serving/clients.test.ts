/** Clients that nobody here wrote: Triton's over HTTP and gRPC, MLflow's of a scoring server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Datatype } from '../../contracts/serving.ts';
import { mirrorModel, serveFiles, sumModel, tableModel } from '../support/files-server.ts';
import { version as mlflow } from '../support/mlflow.ts';
import { pythonWith } from '../support/python-packages.ts';

const run = promisify(execFile);
const script = (name: string) => fileURLToPath(new URL(`../support/${name}.py`, import.meta.url));

test("Triton's clients get what they ask for, over HTTP and gRPC", { timeout: 900_000 }, async (t) => {
  const python = await pythonWith('tritonclient-2.73.0', ['tritonclient[http,grpc]==2.73.0']);
  if (!python.startsWith('/')) return t.skip(python);
  const server = await serveFiles({
    mirror: mirrorModel(),
    json: mirrorModel(Datatype.options.filter((datatype) => datatype !== 'FP16')),
    sum: sumModel(),
  });
  try {
    const { host, hostname } = new URL(server.url);
    const { stdout } = await run(python, [script('triton_client'), host, `${hostname}:${server.grpcPort}`]);
    assert.equal(stdout.trim(), 'agreed');
  } finally {
    await server.stop();
  }
});

test("MLflow's client of a scoring server works unchanged", { timeout: 1_200_000 }, async (t) => {
  const python = await pythonWith(`mlflow-${mlflow}`, [`mlflow==${mlflow}`]);
  if (!python.startsWith('/')) return t.skip(python);
  const server = await serveFiles({ table: tableModel() });
  try {
    const { hostname, port } = new URL(server.url);
    const { stdout } = await run(python, [script('mlflow_client'), hostname, port]);
    assert.equal(stdout.trim(), 'agreed');
  } finally {
    await server.stop();
  }
});
