/**
 * The calls of MLflow's scoring server and of a SageMaker container: rows as a table or as objects, predictions back in
 * their order. The rows are held to the same signature as tensors are.
 *
 * @see https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally "Inference Server Specification"
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { TensorSpec } from '../contracts/serving.ts';
import { isFloat } from '../infra/onnx/datatypes.ts';
import type { Values } from '../infra/onnx/datatypes.ts';
import { version as release } from '../infra/version.ts';
import type { Catalogue, Host } from './catalogue.ts';
import { wantedOutputs, readParameters } from './envelope.ts';
import { hostOf } from './infer-http.ts';
import { columnsOf } from './invocation-table.ts';
import { isList } from './block.ts';
import { predict } from './predict.ts';
import type { Prediction } from './predict.ts';
import { Refusal } from '../infra/refusal.ts';

export function addInvocationRoutes(app: FastifyInstance, catalogue: Catalogue): void {
  app.get('/ping', (_request, reply) =>
    reply
      .code(catalogue.ready ? 200 : 503)
      .type('application/json')
      .send('\n'),
  );
  app.get('/health', (_request, reply) =>
    reply
      .code(catalogue.ready ? 200 : 503)
      .type('application/json')
      .send('\n'),
  );
  app.get('/version', (_request, reply) => reply.type('text/plain').send(release));
  app.post('/invocations', (request) => invoke(catalogue, onlyHost(catalogue), request));
  app.post<{ Params: { model: string } }>('/models/:model/invocations', (request) =>
    invoke(catalogue, hostOf(catalogue, request.params.model), request),
  );
}

/** @throws Refusal 503 while none is known, 400 when there is more than one to choose from */
function onlyHost({ hosts }: Catalogue): Host {
  const [host, ...others] = hosts;
  if (!host) throw new Refusal(503, 'no model is served here yet');
  if (others.length === 0) return host;
  const paths = hosts.map(({ name }) => `/models/${name}/invocations`).join(', ');
  throw new Refusal(400, `more than one model is served here; ask at one of ${paths}`);
}

async function invoke(catalogue: Catalogue, host: Host, { body }: FastifyRequest) {
  const arrived = performance.now();
  const { params, columns } = columnsOf(body);
  const { key, time, timeoutMs } = readParameters(params ?? undefined);
  const prediction = await predict(catalogue, host, undefined, {
    ...{ id: undefined, key, time, arrived },
    deadline: timeoutMs === undefined ? Infinity : arrived + timeoutMs,
    read: columns,
    wanted: ({ signature }) => wantedOutputs(signature, undefined, false),
  });
  return {
    predictions: predictionsOf(prediction),
    id: prediction.id,
    model_version: String(prediction.version.version),
  };
}

/** One value a row where there is one output, else an object of them. */
function predictionsOf({ version, ran, rows }: Prediction): unknown[] {
  const { outputs } = version.signature;
  const byRow = ran.outputs.map(({ values }, at) => rowsOf(outputs[at]!, values, rows));
  if (outputs.length === 1) return byRow[0]!;
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(outputs.map(({ name }, at) => [name, byRow[at]![row]])),
  );
}

function rowsOf(spec: TensorSpec, values: Values, rows: number): unknown[] {
  const plain = Array.from<unknown>(values).map((value) => plainValue(spec, value));
  if (!isList(spec)) return plain;
  const width = plain.length / rows;
  return Array.from({ length: rows }, (_, row) => plain.slice(row * width, (row + 1) * width));
}

function plainValue({ datatype, name }: TensorSpec, value: unknown): unknown {
  if (datatype === 'BOOL') return value === 1;
  if (datatype === 'FP16') throw new Refusal(400, `output "${name}" is FP16, which JSON has no form for`);
  if (isFloat(datatype) && !Number.isFinite(value)) return null;
  if (typeof value !== 'bigint') return value;
  if (Number.isSafeInteger(Number(value))) return Number(value);
  throw new Refusal(400, `output "${name}" is ${value}, which only the inference protocol gives exactly`);
}
