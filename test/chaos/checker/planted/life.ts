/** A short life with one of everything that a healthy system does, and what its clients were told meanwhile. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sayToRollout } from '../../../../client/rollout.ts';
import type { Decision } from '../../../../contracts/approval.ts';
import type { Disposition } from '../../../../contracts/model.ts';
import { approvalWorkflowId } from '../../../../contracts/search.ts';
import { sha256 } from '../../../../infra/digest.ts';
import { canonicalJson, readJson } from '../../../../infra/store/json.ts';
import { workflowBundle } from '../../../../infra/workflow-bundle.ts';
import { decideSignal } from '../../../../workflows/messages.ts';
import type { Belt } from '../../../support/belt.ts';
import { cloudEvent, get, send } from '../../../support/gateway.ts';
import { post } from '../../../support/server.ts';
import { january } from '../../../support/stage.ts';
import { until } from '../../../support/until.ts';
import type { Acknowledged, Disturbance } from '../acknowledged.ts';
import { LedgerEntry } from '../facts.ts';
import { askServer, portsOf } from '../gather.ts';
import type { Place } from '../gather.ts';

const trainer = (seed: number) => ({ backend: 'onnx', epochs: 2, batchSize: 128, seed }) as const;
/** Told of an event it proposes a run, and starts none. */
const onShift = { rules: [{ on: 'event' as const, type: 'shift.*' }], mode: 'suggest' as const };
/** Too few rows to judge by: only errors and the golden batch decide. It bakes until somebody has seen it bake. */
const rollout = { steps: [{ share: 0.5, bake: '1h' }], minRows: 10_000 };
const people = {
  policy: 'people' as const,
  need: { risk: 2 },
  people: { risk: ['ana', 'bo', 'cy'] },
  deadline: '1h',
};

/** @returns the place, its stack stopped in order */
export async function live(belt: Belt): Promise<Place> {
  const life = new Life(belt);
  await Promise.all([life.alone(), life.asks()]);
  await life.machines();
  await life.refusals();
  const bundle = await workflowBundle(belt.config.cacheHome);
  const server = await askServer(belt.esteira.client, bundle);
  await belt.stack.stop();
  return {
    ...{ store: belt.esteira.store, storeFolder: fileURLToPath(belt.config.store), home: belt.home },
    ...{ cacheDir: join(belt.config.cacheHome, 'artifacts'), server, stopped: true },
    ...{ acknowledged: life.acknowledged, disturbances: life.disturbances, canaries: ['vermilion42'] },
    ports: portsOf(belt.stack),
  };
}

/** Acknowledged, but for its time. */
type Told<A = Acknowledged> = A extends unknown ? Omit<A, 'at'> : never;

class Life {
  readonly #belt: Belt;
  readonly acknowledged: Acknowledged[] = [];
  readonly disturbances: Disturbance[] = [];

  constructor(belt: Belt) {
    this.#belt = belt;
  }

  /** Three versions, a merged trigger, a canary that is asked, a killed replica, a rollback. */
  async alone(): Promise<void> {
    const { esteira, project } = this.#belt;
    const first = await this.#run(await project('alone', { trainer: trainer(1) }));
    const second = await this.#run(await project('alone', { trainer: trainer(2), rollout }));
    assert.deepEqual([first.status, second.status], ['started', 'merged']);
    await until(async () => {
      const { slots, versions } = (await esteira.describe('alone'))!;
      const barred = versions.find(({ version }) => version === 2)?.quarantined;
      assert(!barred, `version 2 is barred: ${barred}`);
      return slots?.challenger?.share === 0.5;
    });
    await until(async () => (await this.#predict(1)) === 2);
    await this.#predict(10);
    const said = await sayToRollout(esteira, 'alone', 'promote', { by: 'bo', reason: 'it was seen' });
    assert(said.accepted);
    assert.equal((await esteira.outcome('lifecycle/alone/2')).status, 'deployed');
    await this.#killServing();
    await this.#predict(3);
    const answer = await esteira.rollback('alone', 'bo', 'a drill');
    this.#tell({ kind: 'rollback', model: 'alone', by: 'bo', answer });
    await this.#run(await project('alone', { trainer: trainer(1), retrain: onShift }));
    assert.equal((await esteira.outcome('lifecycle/alone/3')).status, 'deployed');
    const { tick } = await esteira.tick('alone', january); // when nobody asked
    assert.deepEqual(
      tick.alerts.map(({ key }) => key),
      ['silence'],
    );
    await until(async () => (await esteira.describe('alone'))?.inFlight === null);
  }

  /** One that people approve, after refusals; one that is cancelled; one that still waits for them. */
  async asks(): Promise<void> {
    const { esteira, project } = this.#belt;
    const folder = await project('asks', { approval: people });
    await this.#run(folder);
    await this.#asked('asks/1');
    for (const by of ['eve', 'ana', 'bo', 'bo']) await this.#decide('asks/1', by);
    const workflowId = approvalWorkflowId('asks/1');
    const forged: Decision = { approved: true, by: 'mal', reason: 'let me in' };
    await esteira.client.workflow.getHandle(workflowId).signal(decideSignal, forged);
    this.#tell({ kind: 'forged', workflowId, message: 'decide', by: 'mal' });
    await this.#decide('asks/1', 'cy');
    assert.equal((await esteira.outcome('lifecycle/asks/1')).status, 'deployed');
    for (const id of ['asks/2', 'asks/3']) {
      await until(async () => (await esteira.describe('asks'))?.inFlight === null);
      await this.#run(folder);
      await this.#asked(id);
      if (id === 'asks/3') break;
      await esteira.cancel(`lifecycle/${id}`);
      this.#tell({ kind: 'cancel', lifecycleId: `lifecycle/${id}` });
    }
    await until(async () => (await esteira.look('lifecycle/asks/3')).progress.waitsFor !== null);
  }

  /** Events, labels and rows by the gateway: taken, sent again, and others under the same name. */
  async machines(): Promise<void> {
    const url = this.#belt.stack.gatewayUrl!;
    await until(async () => 'alone' in (await get(`${url}/listeners`)).body);
    const event = { id: '1', source: 'plant', type: 'shift.ended', data: { line: 3 } };
    await this.#event(event, 202);
    await this.#event({ ...event, id: '2', type: 'lunch' }, 202);
    await until(async () => (await get(`${url}/events?source=plant&id=1`)).body.disposition !== null);
    await this.#event(event, 200);
    await this.#event({ ...event, data: {} }, 409);
    const labels = await send(`${url}/labels?model=alone`, [{ id: 'by-gateway', label: 1 }]);
    assert.equal(labels.status, 202);
    this.#tell({ kind: 'label', model: 'alone', ids: ['by-gateway'], value: '1' });
    for (const [heat, status] of [
      [1, 202],
      [1, 200],
      [2, 409],
    ] as const) {
      const body = JSON.stringify([{ id: 'r-1', heat }]);
      const answer = await send(`${url}/data/sensors`, body, { 'idempotency-key': 'one' });
      assert.equal(answer.status, status);
      const about = { source: 'sensors', key: 'one' };
      if (status === 409) this.#tell({ kind: 'push-conflict', ...about, digest: sha256(body) });
      else this.#tell({ kind: 'push', ...about, ids: ['r-1'] });
    }
  }

  async #event(
    event: { id: string; source: string; type: string; data: unknown },
    expected: number,
  ): Promise<void> {
    const { stack } = this.#belt;
    const asked = { specversion: '1.0', ...event };
    const { status, body } = await send(`${stack.gatewayUrl}/events`, asked, { 'content-type': cloudEvent });
    assert.equal(status, expected, JSON.stringify(body));
    const { id, source } = event;
    const about = { caller: 'local', source, id, digest: sha256(canonicalJson(event)) };
    if (status === 409) this.#tell({ kind: 'event-conflict', ...about });
    else this.#tell({ kind: 'event', ...about, disposition: body.disposition });
  }

  async refusals(): Promise<void> {
    const { stack, esteira, project } = this.#belt;
    const id = 'bad-1';
    const { status, body } = await post(`${stack.servingUrl}/v2/models/alone/infer`, { id, inputs: [] });
    assert.equal(status, 400);
    this.#tell({ kind: 'refused', what: 'prediction', id, how: `${status} ${String(body.error)}` });
    const folder = await project('nonsense', { window: 'long' });
    const refused = await esteira.run(folder, { by: 'ana' }).then(() => assert.fail('it ran'), String);
    this.#tell({ kind: 'refused', what: 'project', model: 'nonsense', how: refused });
  }

  async #run(folder: string): Promise<Disposition> {
    const reason = randomUUID();
    const disposition = await this.#belt.esteira.run(folder, { by: 'ana', until: january.until, reason });
    const model = folder.split('/').at(-1)!;
    this.#tell({ kind: 'trigger', model, id: await this.#triggerId(model, reason), disposition });
    return disposition;
  }

  /** The client makes the id itself and does not tell: the ledger has it. */
  async #triggerId(model: string, reason: string): Promise<string> {
    const { store } = this.#belt.esteira;
    for await (const { key } of store.list(`events/${model}/`)) {
      const found = await readJson(store, key, LedgerEntry);
      if (found?.value.trigger.reason === reason) return found.value.trigger.id;
    }
    return assert.fail(`no entry says ${reason}`);
  }

  /** @returns the version that answered last */
  async #predict(count: number): Promise<number> {
    const { esteira } = this.#belt;
    let last = 0;
    for (let i = 0; i < count; i++) {
      const { ids, version } = await esteira.predict('alone', [{ x: i / count, city: 'ATL' }], {
        id: randomUUID(),
      });
      this.#tell({ kind: 'prediction', model: 'alone', ids, version: Number(version) });
      await esteira.labels('alone', [{ id: ids[0]!, label: i % 2 }]);
      this.#tell({ kind: 'label', model: 'alone', ids });
      last = Number(version);
    }
    return last;
  }

  async #killServing(): Promise<void> {
    const { stack } = this.#belt;
    const { serving } = stack.pids();
    process.kill(serving, 'SIGKILL');
    this.disturbances.push({ at: new Date().toISOString(), kind: 'kill', target: 'serving' });
    const answers = () =>
      fetch(`${stack.servingUrl}/v2/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(async () => stack.pids().serving !== serving && (await answers()));
  }

  async #asked(requestId: string): Promise<void> {
    await until(async () =>
      (await this.#belt.esteira.approvals()).some(({ request }) => request.requestId === requestId),
    );
  }

  async #decide(requestId: string, by: string): Promise<void> {
    const receipt = await this.#belt.esteira.decide(requestId, {
      approved: true,
      by,
      reason: 'it looks good',
    });
    this.#tell({ kind: 'decision', requestId, by, approved: true, receipt });
  }

  #tell(told: Told): void {
    this.acknowledged.push({ ...told, at: new Date().toISOString() });
  }
}
