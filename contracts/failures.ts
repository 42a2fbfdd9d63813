/**
 * Failures that no retry can mend, and the one way to throw them.
 *
 * An activity throws `permanent(...)` when trying again would end the same way, and an ordinary
 * `Error` for everything else, which Temporal retries. The key is the wire `type`: operators read
 * it in the Temporal UI and dashboards count it, so it is renamed like a column, not like a symbol.
 */
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/common';
import type { z } from 'zod';

export interface PermanentFailures {
  /** The caller broke the contract. Mend the caller. */
  InvalidInput: { issues: string[] };
  /** The stored bytes are not the bytes that were named. Look for a second writer or a bad disk. */
  DigestMismatch: { uri: string; expected: string; actual: string };
  /** A source named by the project cannot be read. Mend the source or its path. */
  UnreadableSource: { source: string; file: string };
  /** The project's SQL does not run over its sources. Mend the query. */
  QueryFailed: { query: string };
  /** The window holds no rows. Widen it, or look for the missing data. */
  EmptyWindow: { from: string; until: string };
  /** A column the project names is not in the data. Mend the query or the project file. */
  MissingColumn: { column: string; columns: string[] };
  /** The rows cannot be learned from (one class only, too few). Mend the data or the split. */
  UntrainableData: { rows: number };
  /** The hold-out rows cannot tell one model from another. Mend the split. */
  UnscorableHoldout: { rows: number; positives: number };
  /** Training produced NaN or an infinity. Lower the learning rate, scale the features. */
  TrainingDiverged: { step: number };
  /** The model answered NaN or an infinity. Look at its training, not at this run. */
  ScoreNotFinite: { row: number };
  /** The trainer process refused or broke its contract. Mend the trainer. */
  TrainerFailed: { exitCode: number | null };
  /** A Python environment cannot be built from its lock. Mend the lock, or install the interpreter. */
  EnvironmentFailed: { requirements: string };
  /** A training asks for more devices than any worker has. Ask for fewer, or start a larger worker. */
  TooFewDevices: { asked: number; most: number };
  /** A trainer is silent again and again at the same step. Mend the trainer, or give it more time (`stall`). */
  TrainerStalled: { step: number };
  /** The stored model is not one we accept: not ONNX, other inputs, data outside the file. */
  ModelRefused: { uri: string };
  /** The packaged model does not repeat its golden predictions. Look at runtime versions. */
  GoldenMismatch: { row: number; expected: number; actual: number };
  /** A change of slots came with an old epoch or ticket: somebody newer has written. */
  StaleEpoch: { model: string; epoch: number; current: number };
  /** No valid approval covers these digests. Ask for an approval of exactly this package. */
  NotApproved: { model: string; version: number };
  /** An activity would give Temporal more than it can carry. Put it in the store, and pass its digest. */
  ResultTooLarge: { activity: string; bytes: number };
  /** A row of a file to be scored is not as the model takes it. Mend the file. `row` counts from 1, without a header. */
  BadRows: { file: string; row: number; column: string };
  /** The output place holds something else. Give another one, or overwrite what another scoring wrote. */
  OutputTaken: { output: string };
  /** A receiver of alerts does not want them, or cannot be asked so. Mend the sink; the next alert goes there again. */
  DeliveryRefused: { sink: string; answer: string };
  /** The named thing does not exist. */
  NotFound: { what: string };
}
export type PermanentType = keyof PermanentFailures;

/** @returns the failure for the caller to throw, so control flow stays visible at the call site. */
export function permanent<T extends PermanentType>(
  type: T,
  message: string,
  details: PermanentFailures[T],
): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, type, details);
}

/** @returns `value` as the schema describes it. @throws `InvalidInput` where it does not fit. */
export function parse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw permanent('InvalidInput', issues.join('; '), { issues });
}

/** The failure at the heart of what a workflow or a client caught, if it is one of Temporal's. */
export function rootFailure(error: unknown): ApplicationFailure | undefined {
  let cause = error;
  while (cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure) cause = cause.cause;
  return cause instanceof ApplicationFailure ? cause : undefined;
}

/** Whether a child was refused because its id is or was in use. By name: a contract knows no workflow library. */
export function isAlreadyStarted(error: unknown): boolean {
  return error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError';
}

/** Whether an error, as a workflow or a client caught it, is this permanent failure at heart. */
export function failedWith(error: unknown, type: PermanentType): boolean {
  return rootFailure(error)?.type === type;
}
