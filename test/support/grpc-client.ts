/** The inference protocol over gRPC, by the proto file that users get. */
import { readFileSync } from 'node:fs';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

export interface GrpcCaller {
  /** @returns the answer, or the code and the words of the refusal */
  call(name: string, request: object): Promise<Answer>;
  /** Bytes as they are. */
  send(name: string, bytes: Buffer): Promise<Answer>;
  close(): void;
}

export interface Answer {
  code: number;
  /** Empty where it was answered. */
  details: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into any answer
  body: any;
}

export function grpcCaller(address: string): GrpcCaller {
  const text = readFileSync(new URL('../../serving/inference.proto', import.meta.url), 'utf8');
  const { root } = protobuf.parse(text, { keepCase: true });
  const type = (name: string) => root.lookupType(`inference.${name}`);
  const client = new Client(address, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
  const send = (name: string, bytes: Buffer) =>
    new Promise<Answer>((resolve) => {
      const response = type(`${name}Response`);
      client.makeUnaryRequest(
        `/inference.GRPCInferenceService/${name}`,
        (given: Buffer) => given,
        (taken: Buffer) => response.toObject(response.decode(taken), { longs: Number }),
        bytes,
        new Metadata(),
        (error: ServiceError | null, body?: object) =>
          resolve({ code: error?.code ?? 0, details: error?.details ?? '', body }),
      );
    });
  return {
    send,
    call(name, request) {
      const message = type(`${name}Request`);
      return send(name, Buffer.from(message.encode(message.fromObject(request)).finish()));
    },
    close: () => client.close(),
  };
}
