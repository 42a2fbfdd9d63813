/**
 * Esteira from code: everything the command line does, typed.
 *
 * Answers of people and refusals of the system are values; only a broken world throws.
 */
import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, WorkflowNotFoundError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import type { ApprovalState, Decision, DecisionReceipt } from '../contracts/approval.ts';
import { parse } from '../contracts/failures.ts';
import type { LifecycleOutcome, LifecycleProgress } from '../contracts/lifecycle.ts';
import { Trigger } from '../contracts/lifecycle.ts';
import type { Disposition, ModelDescription, RollbackAnswer, TriggerRequest } from '../contracts/model.ts';
import type { MonitorOutcome } from '../contracts/monitor.ts';
import { approvalWorkflowId, modelWorkflowId, taskQueues } from '../contracts/search.ts';
import type { Store } from '../infra/store/store.ts';
import {
  approvalQuery,
  decideUpdate,
  describeQuery,
  rollbackUpdate,
  triggerUpdate,
} from '../workflows/messages.ts';
import { progressQuery } from '../workflows/lifecycle.ts';
import type { lifecycle } from '../workflows/lifecycle.ts';
import { model as modelWorkflow } from '../workflows/model.ts';
import { monitor } from '../workflows/monitor.ts';
import { pinnedSetup } from './setup.ts';
import { isLifecycle, rowsOf } from './list.ts';
import type { LifecycleRow } from './list.ts';

export type { LifecycleRow } from './list.ts';

/** One look at a run: its stages, and what the activity at work reported last. */
export interface Look {
  progress: LifecycleProgress;
  working: Record<string, unknown> | undefined;
  closed: boolean;
}

export class Esteira {
  readonly client: Client;
  readonly store: Store;

  constructor(client: Client, store: Store) {
    this.client = client;
    this.store = store;
  }

  /**
   * Pins the project as it is now and asks its model for a lifecycle.
   *
   * @param until the end of the data's window; now, if absent
   * @throws {ProjectError} naming the line of `esteira.yaml` to mend
   */
  async run(
    projectPath: string,
    options: { by: string; reason?: string; until?: string; drill?: NonNullable<TriggerRequest['drill']> },
  ): Promise<Disposition> {
    const setup = await pinnedSetup(this.store, projectPath);
    const trigger = parse(Trigger, {
      id: `manual/${randomUUID()}`,
      kind: 'manual',
      by: options.by,
      reason: options.reason ?? `run by ${options.by}`,
      at: options.until ?? new Date().toISOString(),
    });
    return this.#ask(setup.model, { trigger, setup, ...(options.drill && { drill: options.drill }) });
  }

  /** Asks for a lifecycle of the project as last run. The same `id` again is a duplicate, not a second run. */
  async trigger(model: string, trigger: Trigger): Promise<Disposition> {
    return this.#ask(model, { trigger: parse(Trigger, trigger) });
  }

  async #ask(model: string, request: TriggerRequest): Promise<Disposition> {
    const startWorkflowOperation = new WithStartWorkflowOperation(modelWorkflow, {
      workflowId: modelWorkflowId(model),
      taskQueue: taskQueues.cpu,
      args: [model],
      workflowIdConflictPolicy: 'USE_EXISTING',
      staticSummary: `the owner of ${model}`,
    });
    return this.client.workflow.executeUpdateWithStart(triggerUpdate, {
      args: [request],
      updateId: `trigger/${request.trigger.id}`,
      startWorkflowOperation,
    });
  }

  /** @throws WorkflowNotFoundError when no run has that id */
  async look(lifecycleId: string): Promise<Look> {
    const handle = this.client.workflow.getHandle<typeof lifecycle>(lifecycleId);
    const [progress, description] = await Promise.all([handle.query(progressQuery), handle.describe()]);
    const pending = description.raw.pendingActivities?.[0]?.heartbeatDetails?.payloads?.[0];
    const working = pending?.data ? (JSON.parse(Buffer.from(pending.data).toString()) as unknown) : undefined;
    return {
      progress,
      working:
        typeof working === 'object' && working !== null ? (working as Record<string, unknown>) : undefined,
      closed: description.status.name !== 'RUNNING',
    };
  }

  /** Looks until the run is over, whenever something changed; `everyMs` between looks. */
  async *watch(lifecycleId: string, everyMs = 500): AsyncGenerator<Look> {
    for (let last = ''; ;) {
      const look = await this.look(lifecycleId);
      const now = JSON.stringify(look);
      if (now !== last) yield look;
      last = now;
      if (look.closed) return;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  /** Waits for the end. @throws WorkflowFailedError when the run failed or was cancelled */
  outcome(lifecycleId: string): Promise<LifecycleOutcome> {
    return this.client.workflow.getHandle<typeof lifecycle>(lifecycleId).result();
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

  approval(requestId: string): Promise<ApprovalState> {
    return this.client.workflow.getHandle(approvalWorkflowId(requestId)).query(approvalQuery);
  }

  decide(requestId: string, decision: Decision): Promise<DecisionReceipt> {
    return this.client.workflow
      .getHandle(approvalWorkflowId(requestId))
      .executeUpdate(decideUpdate, { args: [decision] });
  }

  /** Back to the last good version, at once; also ends a rollout under way. */
  rollback(model: string, by: string, reason: string): Promise<RollbackAnswer> {
    return this.client.workflow
      .getHandle(modelWorkflowId(model))
      .executeUpdate(rollbackUpdate, { args: [{ by, reason }] });
  }

  /** Stops the trainer within seconds; nothing half-made is left. */
  async cancel(lifecycleId: string): Promise<void> {
    await this.client.workflow.getHandle(lifecycleId).cancel();
  }

  /** Runs one monitoring window now, as the Schedule would. */
  tick(model: string, window: { from: string; until: string }): Promise<MonitorOutcome> {
    const everyMs = Date.parse(window.until) - Date.parse(window.from);
    return this.client.workflow.execute(monitor, {
      workflowId: `monitor/${model}/${window.until}`,
      taskQueue: taskQueues.cpu,
      args: [{ model, everyMs, window }],
      staticSummary: `${model}: ${window.from.slice(0, 10)}`,
    });
  }

  async close(): Promise<void> {
    await this.client.connection.close();
    await this.store.close();
  }
}
