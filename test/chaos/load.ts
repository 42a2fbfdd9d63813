/**
 * What users do, several at once and not always well: triggers, decisions, predictions, labels, rollbacks,
 * cancellations, messages that are forged, and input that is bad. Whatever is answered is written down.
 */
import { release, sayToRollout } from '../../client/rollout.ts';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { Trigger } from '../../contracts/lifecycle.ts';
import { approvalWorkflowId, modelWorkflowId, taskQueues } from '../../contracts/search.ts';
import { pinnedSetup } from '../../client/setup.ts';
import { decideSignal, triggerUpdate } from '../../workflows/messages.ts';
import type { model as modelWorkflow } from '../../workflows/model.ts';
import { post } from '../support/server.ts';
import { january } from '../support/stage.ts';
import { pick } from './plan.ts';
import type { Act, Step } from './plan.ts';
import { approvers, modelNames } from './town.ts';
import type { Town } from './town.ts';

type Dice = Step['dice'];
export type Doing = (town: Town, dice: Dice, n: number) => Promise<void>;

const past: { model: string; trigger: Trigger }[] = [];

/** The window may end on any of three days, and not in the order of the triggers. */
async function trigger(town: Town, [which, when]: Dice, n: number): Promise<void> {
  const model = pick(modelNames, which);
  const at = new Date(Date.parse(january.until) - Math.floor(when * 3) * 86_400_000).toISOString();
  const one: Trigger = { id: `chaos/${n}`, kind: 'manual', by: 'ana', reason: `chaos ${n}`, at };
  past.push({ model, trigger: one });
  await ask(town, model, one);
}

async function duplicate(town: Town, [which]: Dice): Promise<void> {
  const again = pick(past, which);
  if (again) await ask(town, again.model, again.trigger);
}

/** As `Esteira.run` does, with an id of our own. */
export async function ask(town: Town, model: string, one: Trigger): Promise<void> {
  const { client, store } = town.esteira;
  const setup = await pinnedSetup(store, town.folders[model]!);
  const disposition = await client.workflow.executeUpdateWithStart(triggerUpdate, {
    args: [{ trigger: one, setup }],
    updateId: `trigger/${one.id}`,
    startWorkflowOperation: new WithStartWorkflowOperation<typeof modelWorkflow>('model', {
      ...{ workflowId: modelWorkflowId(model), taskQueue: taskQueues.cpu, args: [model] },
      workflowIdConflictPolicy: 'USE_EXISTING',
    }),
  });
  town.acknowledge({ kind: 'trigger', model, id: one.id, disposition });
}

/** Mostly yes, sometimes by people who may not, sometimes to requests that are closed, sometimes by signal. */
async function decide(town: Town, [which, who, what, how]: Dice): Promise<void> {
  const lifecycle = (await town.esteira.describe('asked'))?.inFlight?.lifecycleId;
  if (!lifecycle) return;
  const number = Math.max(1, Number(lifecycle.split('/')[2]) - (which < 0.1 ? 1 : 0));
  const requestId = `asked/${number}`;
  const by = pick([...approvers, ...approvers, 'ana', 'eve'], who);
  const decision = { approved: what < 0.85, by, reason: 'chaos' };
  const told = { kind: 'decision' as const, requestId, by, approved: decision.approved };
  if (how < 0.8)
    return town.acknowledge({ ...told, receipt: await town.esteira.decide(requestId, decision) });
  await town.esteira.client.workflow.getHandle(approvalWorkflowId(requestId)).signal(decideSignal, decision);
  town.acknowledge({ ...told, receipt: null });
}

async function predict(town: Town, [which, rows, x]: Dice, n: number): Promise<void> {
  const model = pick(modelNames, which);
  const city = pick(['ATL', 'DEN', 'JFK'], rows);
  const asked = Array.from({ length: 1 + Math.floor(rows * 4) }, () => ({ x, city }));
  const answer = await town.esteira.predict(model, asked, { id: `p-${n}` });
  town.acknowledge({ kind: 'prediction', model, ids: answer.ids, version: Number(answer.version) });
}

async function label(town: Town, [which, value]: Dice, n: number): Promise<void> {
  const model = pick(modelNames, which);
  const id = `l-${n}`;
  await town.esteira.labels(model, [{ id, label: value < 0.5 ? 0 : 1 }]);
  town.acknowledge({ kind: 'label', model, ids: [id] });
}

async function rollback(town: Town, [which]: Dice): Promise<void> {
  const model = pick(modelNames, which);
  const answer = await town.esteira.rollback(model, 'bob', 'chaos');
  town.acknowledge({ kind: 'rollback', model, by: 'bob', answer });
}

/** To the end, or back; nobody is left waiting in a pause, which only a person ends. */
async function steer(town: Town, [which, how, bars]: Dice): Promise<void> {
  const model = pick(modelNames, which);
  const said = { by: 'cy', reason: 'chaos', ...(how < 0.5 && { quarantine: bars < 0.5 }) };
  await sayToRollout(town.esteira, model, how < 0.5 ? 'abort' : 'promote', said);
}

async function letGo(town: Town, [which]: Dice, n: number): Promise<void> {
  const model = pick(modelNames, which);
  const { versions = [] } = (await town.esteira.describe(model)) ?? {};
  const barred = versions.findLast(({ quarantined }) => quarantined !== null);
  if (barred) await release(town.esteira, model, { version: barred.version, by: 'cy', reason: `chaos ${n}` });
}

async function cancel(town: Town, [which]: Dice): Promise<void> {
  const lifecycleId = (await town.esteira.describe(pick(modelNames, which)))?.inFlight?.lifecycleId;
  if (!lifecycleId) return;
  await town.esteira.cancel(lifecycleId);
  town.acknowledge({ kind: 'cancel', lifecycleId });
}

/** In the days after the data: nothing was predicted then, which is an alert, and a rule asks for a new run. */
async function tick(town: Town, [which, when]: Dice, n: number): Promise<void> {
  const until = new Date(Date.parse(january.until) + Math.floor(when * 72) * 3_600_000 + n);
  const from = new Date(until.getTime() - 3_600_000);
  await town.esteira.tick(pick(modelNames, which), { from: from.toISOString(), until: until.toISOString() });
}

/** Raw messages that whoever may write to the namespace can send; none may have an effect. */
async function forge(town: Town, [which, what]: Dice): Promise<void> {
  const { workflow } = town.esteira.client;
  const model = pick(modelNames, which);
  const about = await town.esteira.describe(model);
  const [workflowId, message, words] = pick(
    [
      [modelWorkflowId(model), 'settled', { lifecycleId: 7 }],
      [modelWorkflowId(model), 'trigger', { trigger: { id: 'forged' } }],
      [modelWorkflowId(model), 'unheard-of', {}],
      [
        approvalWorkflowId(about?.inFlight?.lifecycleId.slice('lifecycle/'.length) ?? `${model}/1`),
        'decide',
        { approved: true, by: 'mallory', reason: 'let me in' },
      ],
    ] as const,
    what,
  );
  await workflow.getHandle(workflowId).signal(message, words);
  const by = message === 'decide' ? { by: 'mallory' } : {};
  town.acknowledge({ kind: 'forged', workflowId, message, ...by });
}

async function refuse(town: Town, [which, what]: Dice, n: number): Promise<void> {
  const id = `bad-${n}`;
  const body = what < 0.5 ? { id, inputs: [] } : `{"id":"${id}","inputs":[{"name":`;
  const { status, body: answer } = await post(
    `${town.stack.servingUrl}/v2/models/${pick(modelNames, which)}/infer`,
    body,
  );
  if (status < 400 || status >= 500) return;
  town.acknowledge({ kind: 'refused', what: 'prediction', id, how: `${status} ${String(answer.error)}` });
}

export const users = {
  trigger,
  duplicate,
  decide,
  predict,
  label,
  rollback,
  cancel,
  tick,
  forge,
  refuse,
  steer,
  release: letGo,
} satisfies Partial<Record<Act, Doing>>;
