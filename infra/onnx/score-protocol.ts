/** What the child of score.ts is asked on its standard input, and what it says. */
import { z } from 'zod';
import type { Signature } from '../../contracts/serving.ts';
import type { ColumnBatch } from './session.ts';

/** JSON has no NaN: a number that is none travels as null, which is what it means to a model. */
export interface ScoreRequest {
  path: string;
  signature: Signature;
  columns: ColumnBatch;
}

export const ScoreReply = z.discriminatedUnion('event', [
  /** FLOAT32, little-endian, row-major, in base64: JSON would lose NaN. */
  z.object({ event: z.literal('scored'), outputs: z.string() }),
  z.object({ event: z.literal('refused'), reason: z.string().max(2_000) }),
]);
export type ScoreReply = z.infer<typeof ScoreReply>;
