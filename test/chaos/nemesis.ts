/**
 * What befalls the system: processes die, stop and come back, clocks are wrong, places in the code fail, and
 * operators do what operators can do. Whatever is done is written down, and undone by `mend`.
 */
import { appendFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../infra/local.ts';
import { descendantsOf } from '../support/processes.ts';
import { faultOf, pick } from './plan.ts';
import type { Act } from './plan.ts';
import type { Doing } from './load.ts';
import type { Town } from './town.ts';

type Target = 'worker' | 'serving' | 'gateway' | 'temporal' | 'trainer';

/** Stopped processes, and when each may go on. */
const stopped = new Set<number>();

async function pidOf(town: Town, target: Target): Promise<number | undefined> {
  const pids = town.stack.pids();
  if (target !== 'trainer') return pids[target];
  const children = await descendantsOf(pids.worker);
  return children.find(({ command }) => command.includes('onnx-trainer'))?.pid;
}

function kill(target: Target): Doing {
  return async (town) => {
    const pid = await pidOf(town, target);
    if (pid === undefined || !signal(pid, 'SIGKILL')) return;
    stopped.delete(pid);
    town.disturb({ kind: 'kill', target });
  };
}

/** For 1 to 16 seconds: past the heartbeat timeout, so that a successor begins while it lives. */
function stop(target: Target): Doing {
  return async (town, [long]) => {
    const pid = await pidOf(town, target);
    if (pid === undefined || stopped.has(pid) || !signal(pid, 'SIGSTOP')) return;
    stopped.add(pid);
    town.disturb({ kind: 'stop', target });
    await sleep(1_000 + long * 15_000);
    if (!stopped.delete(pid) || !signal(pid, 'SIGCONT')) return;
    town.disturb({ kind: 'cont', target });
  };
}

const failpoint: Doing = async (town, dice) => {
  const { line, hangs } = faultOf(dice);
  await appendFile(town.files.faults, `${line}\n`);
  town.disturb({ kind: 'failpoint', detail: line });
  if (!hangs) return;
  await sleep(8_000);
  const stage = line.split(':')[0];
  await kill(stage === 'serving' || stage === 'gateway' ? stage : 'worker')(town, dice, 0);
};

/** An hour early or late at most, from the worker's next start on. */
const skewClock: Doing = async (town, dice) => {
  const ms = Math.round((dice[0] - 0.5) * 7_200_000);
  await writeFile(town.files.skew, String(ms));
  town.disturb({ kind: 'clock', target: 'worker', detail: `${ms} ms` });
  await kill('worker')(town, dice, 0);
};

/** Runs of any kind but Schedules', newest first, as visibility has them. */
async function runs(town: Town, query = ''): Promise<{ workflowId: string; runId: string; type: string }[]> {
  const found = [];
  for await (const { workflowId, runId, type } of town.esteira.client.workflow.list({ query })) {
    if (['model', 'lifecycle', 'approval', 'rollout'].includes(type)) found.push({ workflowId, runId, type });
    if (found.length === 40) break;
  }
  return found;
}

/** Of a run that is open or closed, to any of its tasks. */
const reset: Doing = async (town, [which, when]) => {
  const run = pick(await runs(town), which);
  if (!run) return;
  const { client } = town.esteira;
  const { events } = await client.workflow.getHandle(run.workflowId, run.runId).fetchHistory();
  const tasks = (events ?? []).filter(({ workflowTaskCompletedEventAttributes: done }) => done);
  const task = pick(tasks, when);
  if (!task) return;
  await client.workflowService.resetWorkflowExecution({
    namespace: town.config.temporal.namespace,
    workflowExecution: { workflowId: run.workflowId, runId: run.runId },
    ...{ reason: 'chaos', requestId: `chaos-${run.runId}-${String(task.eventId)}` },
    workflowTaskFinishEventId: task.eventId ?? null,
  });
  town.disturb({ kind: 'reset', target: run.workflowId, detail: `to event ${String(task.eventId)}` });
};

/** A model's entity, too: whoever speaks to it next brings it back. */
const terminate: Doing = async (town, [which]) => {
  const open = await runs(town, `ExecutionStatus = 'Running'`);
  const run = pick(open, which);
  if (!run) return;
  await town.esteira.client.workflow.getHandle(run.workflowId, run.runId).terminate('chaos');
  town.disturb({ kind: 'terminate', target: run.workflowId });
};

async function busy(town: Town, dice: number) {
  const open = await runs(town, `ExecutionStatus = 'Running' AND WorkflowType = 'lifecycle'`);
  const run = pick(open, dice);
  if (!run) return undefined;
  const { raw } = await town.esteira.client.workflow.getHandle(run.workflowId).describe();
  const id = raw.pendingActivities?.[0]?.activityId;
  const execution = { workflowId: run.workflowId, runId: run.runId };
  return id ? { namespace: town.config.temporal.namespace, execution, id } : undefined;
}

const pauseActivity: Doing = async (town, [which, long]) => {
  const activity = await busy(town, which);
  if (!activity) return;
  const { workflowService } = town.esteira.client;
  const target = activity.execution.workflowId;
  await workflowService.pauseActivity({ ...activity, identity: 'chaos', reason: 'chaos' });
  town.disturb({ kind: 'activity-pause', target });
  try {
    await sleep(1_000 + long * 8_000);
  } finally {
    await patiently(() => workflowService.unpauseActivity({ ...activity, identity: 'chaos' }));
    town.disturb({ kind: 'activity-unpause', target });
  }
};

const resetActivity: Doing = async (town, [which]) => {
  const activity = await busy(town, which);
  if (!activity) return;
  await town.esteira.client.workflowService.resetActivity({ ...activity, identity: 'chaos' });
  town.disturb({ kind: 'activity-reset', target: activity.execution.workflowId });
};

/** What was paused must go on, also when the server is away just now. It may have ended meanwhile. */
async function patiently(action: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const failure = await action().then(
      () => undefined,
      (error: { code?: number }) => error,
    );
    if (!failure || failure.code === 5) return; // 5: not found
    await sleep(500);
  }
}

export const faults = {
  ...{ failpoint, killWorker: kill('worker'), killServing: kill('serving'), killTemporal: kill('temporal') },
  ...{ killTrainer: kill('trainer'), stopWorker: stop('worker'), stopServing: stop('serving') },
  ...{ stopTemporal: stop('temporal'), stopTrainer: stop('trainer'), skewClock },
  ...{ reset, terminate, pauseActivity, resetActivity },
  ...{ killGateway: kill('gateway'), stopGateway: stop('gateway') },
} satisfies Partial<Record<Act, Doing>>;

/** Everything goes on, with the right time and no faults; what hangs is started again. */
export async function mend(town: Town): Promise<void> {
  for (const pid of stopped) signal(pid, 'SIGCONT');
  stopped.clear();
  await writeFile(town.files.faults, '');
  await writeFile(town.files.skew, '');
  for (const target of ['worker', 'serving', 'gateway'] as const)
    signal(town.stack.pids()[target], 'SIGKILL');
}

/** @returns false when there is no such process any more */
function signal(pid: number, name: NodeJS.Signals): boolean {
  if (!isAlive(pid)) return false;
  process.kill(pid, name);
  return true;
}
