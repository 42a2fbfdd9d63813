/**
 * `esteira score`: starts a batch scoring, or joins the one that writes to the same place, and follows it.
 *
 * The workflow's id follows from the output, so that two runs never fill one place.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure, defaultPayloadConverter, TerminatedFailure } from '@temporalio/common';
import { parse, rootFailure } from '../contracts/failures.ts';
import { ScoreRequest } from '../contracts/score.ts';
import type { ScoreOutcome, ScoreProgress } from '../contracts/score.ts';
import { taskQueues } from '../contracts/search.ts';
import { sha256 } from '../infra/digest.ts';
import { unlessCode } from '../infra/errno.ts';
import { canonicalJson } from '../infra/store/json.ts';
import type { score as scoreWorkflow } from '../workflows/score.ts';
import { NotFound, unlessNotFound } from './errors.ts';
import type { Esteira } from './index.ts';
import { usableVersion } from './named.ts';

export interface ScoreOptions extends Partial<
  Pick<ScoreRequest, 'keep' | 'delimiter' | 'overwrite' | 'parallel'>
> {
  by: string;
}

/** @returns its id. @throws Error when another scoring is writing to that place */
export async function startScore(
  esteira: Esteira,
  name: string,
  input: string,
  output: string,
  options: ScoreOptions,
): Promise<string> {
  const { record } = await usableVersion(esteira, name);
  const { model, version } = record;
  const place = await outputPlace(output);
  const scoreId = `score/${model}/${sha256(place).slice(0, 12)}`;
  const asked = { scoreId, model, version, package: record.package, output: place, ...options };
  const request = parse(ScoreRequest, { ...asked, input: isUrl(input) ? input : resolve(input) });
  try {
    await esteira.client.workflow.start<typeof scoreWorkflow>('score', {
      workflowId: scoreId,
      taskQueue: taskQueues.cpu,
      args: [request],
      searchAttributes: { EsteiraModel: [model], EsteiraVersion: [version] },
      staticSummary: `${model}/${version} over ${input.slice(-100)}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const running = await scoreLook(esteira, scoreId);
    if (!running.closed && !sameWork(running.progress.request, request)) {
      throw new Error(
        `${scoreId} is writing to ${output} already, from ${running.progress.request.input}; wait for it, or \`esteira cancel ${scoreId}\``,
        { cause: error },
      );
    }
  }
  return scoreId;
}

/** Who asks, and how hard, does not change what comes out. */
function sameWork(a: ScoreRequest, b: ScoreRequest): boolean {
  const of = ({ package: made, input, output, keep, delimiter }: ScoreRequest) =>
    canonicalJson({ version: made.sha256, input, output, keep, delimiter });
  return of(a) === of(b);
}

const isUrl = (text: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(text);

async function outputPlace(output: string): Promise<string> {
  if (isUrl(output)) {
    if (/^(s3|file):\/\//.test(output)) return output;
    throw new Error(`${output} is no place to write to; give a folder, or s3://bucket/prefix`);
  }
  const there = await stat(output).catch(unlessCode('ENOENT'));
  if (there && !there.isDirectory()) throw new Error(`${output} is a file; give a folder for the parts`);
  return pathToFileURL(resolve(output)).href;
}

export interface ScoreLook {
  progress: ScoreProgress;
  /** Rows that are scored in batches that go on. */
  underway: number;
  /** What it does while it reads. */
  doing: string | undefined;
  /** Why the last try of something failed, which is tried again. */
  trouble: string | undefined;
  closed: boolean;
}

export async function scoreLook({ client }: Esteira, scoreId: string): Promise<ScoreLook> {
  const handle = client.workflow.getHandle<typeof scoreWorkflow>(scoreId);
  const [progress, { raw, status }] = await Promise.all([
    handle.query<ScoreProgress>('score'),
    handle.describe(),
  ]).catch(unlessNotFound(`${scoreId} was never started; \`esteira score\` starts one`));
  const pending = raw.pendingActivities ?? [];
  const said = pending.map(({ heartbeatDetails }) => {
    const payload = heartbeatDetails?.payloads?.[0];
    return payload
      ? defaultPayloadConverter.fromPayload<{ rows?: number; doing?: string } | null>(payload)
      : null;
  });
  return {
    progress,
    underway: said.reduce((sum, one) => sum + (one?.rows ?? 0), 0),
    doing: said.find((one) => one?.doing !== undefined)?.doing,
    trouble: pending
      .map(({ lastFailure }) => lastFailure?.message?.split('\n')[0])
      .find((message) => message !== undefined),
    closed: status.name !== 'RUNNING',
  };
}

/** Parts that are written stay. @throws {NotFound} when nothing runs under that id */
export async function cancelScore(esteira: Esteira, scoreId: string): Promise<void> {
  const { closed } = await scoreLook(esteira, scoreId);
  if (closed) throw new NotFound(`${scoreId} is over already; there is nothing to cancel`);
  await esteira.client.workflow.getHandle(scoreId).cancel();
}

/** @throws Error in one sentence when it failed or was cancelled */
export async function scoreOutcome({ client }: Esteira, scoreId: string): Promise<ScoreOutcome> {
  try {
    return await client.workflow.getHandle<typeof scoreWorkflow>(scoreId).result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    throw new Error(`${scoreId} ${howFailed(error.cause)}`, { cause: error });
  }
}

function howFailed(cause: unknown): string {
  if (cause instanceof CancelledFailure)
    return 'was cancelled; the same command goes on with the parts that are missing';
  if (cause instanceof TerminatedFailure) return `was terminated: ${cause.message}`;
  const failure = rootFailure(cause);
  return `failed: ${failure ? `${failure.type}: ${failure.message}` : String(cause)}`;
}
