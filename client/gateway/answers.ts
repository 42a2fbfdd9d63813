/** Answers that are a no: a status, and one sentence as `{"error": …}`. */
import type { FastifyError, FastifyReply } from 'fastify';
import { isGrpcServiceError } from '@temporalio/client';
import { rootFailure } from '../../contracts/failures.ts';
import { Refusal } from '../../infra/refusal.ts';
import { NotFound } from '../errors.ts';

const temporalIsAway = 'the Temporal server does not answer now, or no worker does';

export function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  if (error instanceof NotFound) return 404;
  if (rootFailure(error)?.type === 'InvalidInput') return 400;
  if (isAway(error)) return 503;
  return (error as Partial<FastifyError>).statusCode ?? 500;
}

/** What went wrong inside is for the log: its words name files, keys and addresses of ours. */
export function sentenceOf(error: unknown, status: number): string {
  if (error instanceof Refusal || error instanceof NotFound) return error.message;
  if (isAway(error)) return temporalIsAway;
  if (status === 415) return 'the body must say what it is, such as application/json, in Content-Type';
  if (status >= 500) return 'the gateway could not answer; its log says why';
  const failure = rootFailure(error);
  return (failure ?? (error as Error)).message.slice(0, 500);
}

export function refuse(reply: FastifyReply, error: unknown, status: number): FastifyReply {
  const after = error instanceof Refusal ? error.retryAfter : status === 503 ? 1 : undefined;
  if (after !== undefined) reply.header('retry-after', String(after));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(status).send({ error: sentenceOf(error, status) });
}

/** DEADLINE_EXCEEDED and UNAVAILABLE of gRPC. */
const away = new Set([4, 14]);

/** Wherever the client wraps it. */
function isAway(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause)
    if (isGrpcServiceError(one) && away.has(Number(one.code))) return true;
  return false;
}
