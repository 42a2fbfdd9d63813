/** The Open Inference Protocol over gRPC: the same models, routes, log and refusals as over REST, in other clothes. */
import { readFileSync } from 'node:fs';
import { logVerbosity, Server, ServerCredentials, setLogVerbosity, status as codes } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ServerErrorResponse, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { Logger } from '../infra/log.ts';
import { version as release } from '../infra/version.ts';
import { bodyLimit } from './body.ts';
import type { Scope } from './access.ts';
import type { Catalogue } from './catalogue.ts';
import type { Caller, Gate } from './gate.ts';
import { answerOf, GrpcQuestion } from './grpc-infer.ts';
import type { InferRequest } from './grpc-infer.ts';
import { hostOf } from './infer-http.ts';
import { named, predict } from './predict.ts';
import { Refusal } from '../infra/refusal.ts';
import { sentenceOf, statusIn } from './rejects.ts';
import type { Rejects } from './rejects.ts';
import { notListening } from '../infra/start-faults.ts';
import type { Tracing } from './tracing.ts';
import { extensions, modelMetadata, repositoryIndex } from './repository.ts';

export interface GrpcDeps {
  catalogue: Catalogue;
  log: Logger;
  rejects: Rejects;
  gate: Gate;
  tracing?: Tracing | undefined;
}

const path = '/inference.GRPCInferenceService/';
const calls = [
  'ServerLive',
  'ServerReady',
  'ModelReady',
  'ServerMetadata',
  'ModelMetadata',
  'ModelInfer',
  'RepositoryIndex',
] as const;
type Call = (typeof calls)[number];

/** By a request's HTTP status. */
const codesByStatus = new Map<number, codes>([
  [400, codes.INVALID_ARGUMENT],
  [401, codes.UNAUTHENTICATED],
  [403, codes.PERMISSION_DENIED],
  [404, codes.NOT_FOUND],
  [413, codes.INVALID_ARGUMENT],
  [429, codes.RESOURCE_EXHAUSTED],
  [501, codes.UNIMPLEMENTED],
  [503, codes.UNAVAILABLE],
  [504, codes.DEADLINE_EXCEEDED],
]);

/** @param credentials plain text if absent. @returns the server once it listens, and its port */
export async function listenGrpc(
  deps: GrpcDeps,
  host: string,
  port: number,
  credentials = ServerCredentials.createInsecure(),
): Promise<{ port: number; close(): Promise<void> }> {
  setLogVerbosity(logVerbosity.NONE); // what fails is told to who calls, and is no line of our log
  const server = new Server({
    'grpc.max_receive_message_length': bodyLimit,
    'grpc.max_send_message_length': -1,
  });
  server.addService(serviceDefinition(), implementation(deps));
  const bound = await new Promise<number>((resolve, reject) => {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    server.bindAsync(address, credentials, (error, found) => (error ? reject(error) : resolve(found)));
  }).catch(notListening(host, port));
  return {
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
      }),
  };
}

function serviceDefinition(): ServiceDefinition {
  const text = readFileSync(new URL('./inference.proto', import.meta.url), 'utf8');
  const { root } = protobuf.parse(text, { keepCase: true });
  const type = (name: string) => root.lookupType(`inference.${name}`);
  const definition = (call: Call) => {
    const [request, response] = [type(`${call}Request`), type(`${call}Response`)];
    return {
      ...{ path: path + call, requestStream: false, responseStream: false },
      requestSerialize: (value: object) => Buffer.from(request.encode(value).finish()),
      requestDeserialize: (bytes: Buffer) => request.decode(bytes),
      responseSerialize: (value: object) => Buffer.from(response.encode(value).finish()),
      responseDeserialize: (bytes: Buffer) => response.decode(bytes),
    };
  };
  return Object.fromEntries(calls.map((call) => [call, definition(call)]));
}

type Unary<Request> = ServerUnaryCall<Request, object>;
type Answer = object | Promise<object>;

function implementation({ catalogue, log, rejects, gate, tracing }: GrpcDeps): UntypedServiceImplementation {
  const handle =
    <Request>(
      answer: (request: Request, call: Unary<Request>) => Answer,
      scope: Scope | 'open' = 'predict',
    ) =>
    (call: Unary<Request>, done: sendUnaryData<object>) => {
      Promise.resolve()
        .then(() => (scope === 'open' ? undefined : gate.admit(callerOf(call), scope, modelOf(call.request))))
        .then(() => answer(call.request, call))
        .then(
          (value) => done(null, value),
          (error: unknown) => done(statusOf(error, log, rejects)),
        );
    };
  interface Named {
    name: string;
    version: string;
  }
  const versionOf = ({ version }: Named) => version || undefined;
  return {
    ServerLive: handle(() => ({ live: true }), 'open'),
    ServerReady: handle(() => ({ ready: catalogue.ready }), 'open'),
    ModelReady: handle<Named>((request) => {
      const host = hostOf(catalogue, request.name);
      if (request.version) named(host, request.version);
      return { ready: !catalogue.stopping && host.ready };
    }),
    ServerMetadata: handle(() => ({ name: 'esteira', version: release, extensions })),
    ModelMetadata: handle<Named>((request) =>
      modelMetadata(hostOf(catalogue, request.name), versionOf(request)),
    ),
    ModelInfer: handle<InferRequest>(async (request, call) => {
      const trace = tracing?.begin('inference.GRPCInferenceService/ModelInfer', (name) =>
        call.metadata.get(name)[0]?.toString(),
      );
      try {
        const host = hostOf(catalogue, request.model_name);
        const question = new GrpcQuestion(request, deadlineOf(call));
        const prediction = await predict(catalogue, host, request.model_version || undefined, question);
        trace?.answered(host.name, prediction);
        return answerOf(host.name, prediction, question.raw);
      } catch (error) {
        trace?.refused(statusIn(error), error instanceof Refusal ? error.message : '');
        throw error;
      }
    }),
    RepositoryIndex: handle<{ ready: boolean }>(
      ({ ready }) => ({ models: repositoryIndex(catalogue, { ready }) }),
      'admin',
    ),
  };
}

function callerOf(call: Unary<unknown>): Caller {
  const [authorization] = call.metadata.get('authorization');
  return { authorization: authorization?.toString(), address: call.getPeer().replace(/:[0-9]+$/, '') };
}

function modelOf(request: unknown): string | undefined {
  const { name, model_name: model } = request as { name?: string; model_name?: string };
  return model ?? name;
}

/** By the clock of `performance.now`; a call without one may take for ever. */
function deadlineOf(call: { getDeadline(): Date | number }): number {
  const deadline = Number(call.getDeadline());
  return Number.isFinite(deadline) ? performance.now() + deadline - Date.now() : Infinity;
}

function statusOf(error: unknown, log: Logger, rejects: Rejects): ServerErrorResponse {
  const status = rejects.count(error);
  if (!(error instanceof Refusal)) log.error({ err: error }, 'a request failed');
  const details = sentenceOf(error, status);
  return { name: 'Refused', message: details, details, code: codesByStatus.get(status) ?? codes.INTERNAL };
}
