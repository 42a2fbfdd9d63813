/**
 * Esteira from code: everything the command line does, typed.
 *
 * Answers of people and refusals of the system are values; only a broken world throws.
 */
import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, WorkflowNotFoundError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import { Decision } from '../contracts/approval.ts';
import type { ApprovalState, DecisionReceipt } from '../contracts/approval.ts';
import type { Artifact } from '../contracts/artifact.ts';
import { parse } from '../contracts/failures.ts';
import type { LifecycleOutcome, LifecycleProgress } from '../contracts/lifecycle.ts';
import { Trigger } from '../contracts/lifecycle.ts';
import { RollbackRequest } from '../contracts/model.ts';
import type { Disposition, ModelDescription, RollbackAnswer, TriggerRequest } from '../contracts/model.ts';
import type { MonitorOutcome } from '../contracts/monitor.ts';
import { approvalWorkflowId, modelWorkflowId, taskQueues } from '../contracts/search.ts';
import type { Label } from '../contracts/serving.ts';
import { failpoint } from '../infra/failpoint.ts';
import type { Store } from '../infra/store/store.ts';
import { askAgain, modelStart } from '../infra/temporal.ts';
import {
  approvalQuery,
  decideUpdate,
  describeQuery,
  rollbackUpdate,
  triggerUpdate,
} from '../workflows/messages.ts';
import type { lifecycle } from '../workflows/lifecycle.ts';
import type { model as modelWorkflow } from '../workflows/model.ts';
import type { monitor } from '../workflows/monitor.ts';
import { NotFound, unlessNotFound } from './errors.ts';
import { isLifecycle, rowsOf } from './list.ts';
import type { LifecycleRow } from './list.ts';
import { saveReport } from './report.ts';
import { withExamples } from './outcome.ts';
import { rolloutLook } from './rollout.ts';
import { queued, searchWork } from './training-work.ts';
import { failedRun } from './recover.ts';
import { postLabels, predict } from './serving.ts';
import type { Predictions } from './serving.ts';
import { pinnedSetup } from './setup.ts';
import type { Runnable, RunOptions } from './setup.ts';
import { showModel } from './show.ts';
import type { Shown } from './show.ts';

export { NotFound } from './errors.ts';
export type { LifecycleRow } from './list.ts';
export type { Predictions } from './serving.ts';
export type { Shown } from './show.ts';

/** One look at a run: its stages, and what the activity at work reported last. */
export interface Look {
  progress: LifecycleProgress;
  working: Record<string, unknown> | undefined;
  closed: boolean;
}

export class Esteira {
  readonly client: Client;
  readonly store: Store;
  /** Where copies of reports are kept. */
  readonly home: string;
  readonly servingUrl: string;

  constructor(client: Client, store: Store, place: { home?: string; servingUrl?: string } = {}) {
    this.client = client;
    this.store = store;
    this.home = place.home ?? '.esteira';
    this.servingUrl = place.servingUrl ?? 'http://127.0.0.1:8080';
  }

  /**
   * Pins the project as it is now and asks its model for a lifecycle.
   *
   * @param until the end of the data's window; now, if absent
   * @throws {ProjectError} naming the line of `esteira.yaml` to mend
   */
  async run(project: Runnable, options: RunOptions): Promise<Disposition> {
    const setup = await pinnedSetup(this.store, project);
    await failpoint('cli:pinned');
    const failed = options.recover ? await failedRun(this.client, setup.model) : undefined;
    const trigger = parse(Trigger, {
      id: `manual/${randomUUID()}`,
      kind: 'manual',
      by: options.by,
      reason: options.reason ?? (failed ? `recovers ${failed.lifecycleId}` : `run by ${options.by}`),
      at: options.until ?? failed?.until ?? new Date().toISOString(),
    });
    const { drill, reuse } = options;
    const request = { trigger, setup, ...(drill && { drill }), ...(reuse && { reuse }) };
    const disposition = await this.#askOrStart(setup.model, request);
    await failpoint('cli:asked');
    return disposition;
  }

  /** Asks for a lifecycle of the project as last run. The same `id` again is a duplicate, not a second run. */
  async trigger(model: string, trigger: Trigger): Promise<Disposition> {
    const request = { trigger: parse(Trigger, trigger) };
    const handle = this.client.workflow.getHandle(modelWorkflowId(model));
    const updateId = `trigger/${trigger.id}`;
    return askAgain(() => handle.executeUpdate(triggerUpdate, { args: [request], updateId })).catch(
      unlessNotFound(`no model ${model} was ever run; \`esteira run <project>\` starts its first lifecycle`),
    );
  }

  /** A model's first run brings its entity to life. */
  async #askOrStart(model: string, request: TriggerRequest): Promise<Disposition> {
    // One operation a try: the library lets none be used twice.
    const begin = () =>
      new WithStartWorkflowOperation<typeof modelWorkflow>('model', {
        ...modelStart(model),
        staticSummary: `the owner of ${model}`,
      });
    const updateId = `trigger/${request.trigger.id}`;
    return askAgain(() =>
      this.client.workflow.executeUpdateWithStart(triggerUpdate, {
        ...{ args: [request], updateId, startWorkflowOperation: begin() },
      }),
    );
  }

  /** @throws {NotFound} when no run has that id */
  async look(lifecycleId: string): Promise<Look> {
    const handle = this.client.workflow.getHandle<typeof lifecycle>(lifecycleId);
    const [progress, description] = await Promise.all([
      handle.query<LifecycleProgress>('progress'),
      handle.describe(),
    ]).catch(unlessNotFound(`${lifecycleId} was never started; \`esteira ls\` lists those that were`));
    const closed = description.status.name !== 'RUNNING';
    const activity = description.raw.pendingActivities?.[0];
    const working = reported(activity?.heartbeatDetails?.payloads?.[0]) ?? queued(activity);
    if (closed || (progress.stage !== 'deploy' && progress.stage !== 'train'))
      return { progress, working, closed };
    const child =
      progress.stage === 'deploy'
        ? await rolloutLook(this, lifecycleId)
        : activity === undefined && (await searchWork(this.client, lifecycleId));
    return { progress, working: child || working, closed };
  }

  /** Looks until the run is over or `signal` is given, whenever something changed; `everyMs` between looks. */
  async *watch(lifecycleId: string, everyMs = 500, signal?: AbortSignal): AsyncGenerator<Look> {
    for (let last = ''; !signal?.aborted;) {
      const look = await this.look(lifecycleId);
      const now = JSON.stringify(look);
      if (now !== last) yield look;
      last = now;
      if (look.closed) return;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  /** Waits for the end. @throws WorkflowFailedError when the run failed or was cancelled */
  async outcome(lifecycleId: string): Promise<LifecycleOutcome> {
    const outcome = await this.client.workflow
      .getHandle<typeof lifecycle>(lifecycleId)
      .result()
      .catch(unlessNotFound(`${lifecycleId} was never started; \`esteira ls\` lists those that were`));
    return outcome.status === 'bad-data' ? withExamples(this.store, lifecycleId, outcome) : outcome;
  }

  /**
   * Waits until a lifecycle is over and its model has started the next: where merged triggers end up.
   *
   * @returns the id of the next one
   */
  async after(lifecycleId: string): Promise<string> {
    const number = Number(lifecycleId.split('/')[2]);
    for (;;) {
      const described = await this.describe(modelOf(lifecycleId));
      if (described && described.lifecycles > number) return lifecycleId.replace(/[0-9]+$/, `${number + 1}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  /** Newest first. Visibility lags a moment; never decide from it. */
  async list(model?: string, limit = 100): Promise<LifecycleRow[]> {
    const query = isLifecycle(model);
    return rowsOf(this.client.workflow.list({ query }), limit);
  }

  /** @returns undefined when the model was never run */
  async describe(model: string): Promise<ModelDescription | undefined> {
    try {
      return await this.client.workflow.getHandle(modelWorkflowId(model)).query(describeQuery);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  /** Requests that wait for somebody. */
  async approvals(): Promise<ApprovalState[]> {
    const query = `WorkflowType = 'approval' AND ExecutionStatus = 'Running'`;
    const waiting: ApprovalState[] = [];
    for await (const { workflowId } of this.client.workflow.list({ query })) {
      const state = await this.client.workflow.getHandle(workflowId).query(approvalQuery);
      if (state.status === 'pending') waiting.push(state);
    }
    return waiting;
  }

  /** @throws {NotFound} when nobody ever asked that */
  approval(requestId: string): Promise<ApprovalState> {
    return this.client.workflow
      .getHandle(approvalWorkflowId(requestId))
      .query(approvalQuery)
      .catch(unlessNotFound(`there is no request ${requestId}; \`esteira approvals\` lists those that wait`));
  }

  /** A decision that comes too late is refused as `closed`. @throws {NotFound} when nobody ever asked that */
  async decide(requestId: string, decision: Decision): Promise<DecisionReceipt> {
    const args: [Decision] = [parse(Decision, decision)];
    try {
      return await this.client.workflow
        .getHandle(approvalWorkflowId(requestId))
        .executeUpdate(decideUpdate, { args });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      const { status } = await this.approval(requestId);
      return { accepted: false, code: 'closed', detail: `${requestId} is ${status} already` };
    }
  }

  /** Back to the last good version, at once; also ends a rollout under way. */
  async rollback(model: string, by: string, reason: string): Promise<RollbackAnswer> {
    const args: [RollbackRequest] = [parse(RollbackRequest, { by, reason })];
    const handle = this.client.workflow.getHandle(modelWorkflowId(model));
    return askAgain(() => handle.executeUpdate(rollbackUpdate, { args })).catch(
      unlessNotFound(`no model ${model} was ever run`),
    );
  }

  /** Stops the trainer within seconds; nothing half-made is left. @throws {NotFound} when nothing runs under that id */
  async cancel(lifecycleId: string): Promise<void> {
    const { closed, progress } = await this.look(lifecycleId);
    const how = progress.outcome ?? 'failed or cancelled';
    if (closed) throw new NotFound(`${lifecycleId} is over already (${how}); there is nothing to cancel`);
    await this.client.workflow.getHandle(lifecycleId).cancel();
  }

  /** @param name `flights`, `flights@champion`, `flights/3` */
  show(name: string): Promise<Shown> {
    return showModel(this, name);
  }

  /** @returns where an .html copy of a report is. @param name such as `flights/3` */
  report(artifact: Artifact, name: string): Promise<string> {
    return saveReport(this.store, this.home, artifact, name);
  }

  /** @param rows one object a row, `{ column: value }`; see `client/serving.ts` for what is refused */
  predict(
    model: string,
    rows: Record<string, unknown>[],
    options: { id?: string; time?: string; key?: string } = {},
  ): Promise<Predictions> {
    return predict(this.servingUrl, model, rows, options);
  }

  /** What really happened. @returns how many were taken */
  labels(model: string, labels: Label[]): Promise<number> {
    return postLabels(this.servingUrl, model, labels);
  }

  /** Runs one monitoring window now, as the Schedule would; joins whoever does just that. */
  tick(model: string, window: { from: string; until: string }): Promise<MonitorOutcome> {
    const everyMs = Date.parse(window.until) - Date.parse(window.from);
    return this.client.workflow.execute<typeof monitor>('monitor', {
      workflowId: `monitor/${model}/${window.until}`,
      taskQueue: taskQueues.cpu,
      args: [{ model, everyMs, window }],
      workflowIdConflictPolicy: 'USE_EXISTING',
      staticSummary: `${model}: ${window.from.slice(0, 10)}`,
    });
  }

  async close(): Promise<void> {
    await this.client.connection.close();
    await this.store.close();
  }
}

/** What an activity said last, if it was an object; a heartbeat may be empty, too. */
function reported(payload: Payload | null | undefined): Record<string, unknown> | undefined {
  const value: unknown = payload ? defaultPayloadConverter.fromPayload(payload) : undefined;
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

/** `lifecycle/flights/3` → `flights` */
function modelOf(lifecycleId: string): string {
  return lifecycleId.split('/')[1] ?? lifecycleId;
}
