/** Plants about effects, promises, progress and fences: I4, I5, I6, I11, I15, I16. */
import type { Entity, Evidence } from '../evidence.ts';
import { addEpoch, addRecord, entry, object, other, recordOf, run, slots, told } from './tools.ts';
import type { Plant } from './tools.ts';

const entity = (evidence: Evidence) => evidence.entities['alone'] as Entity;
const train = (evidence: Evidence, n: number) =>
  object<{ seq?: number; output: { model: { sha256: string } } }>(
    evidence,
    `runs/lifecycle/alone/${n}/train/record.json`,
  );

export const effectPlants: Plant[] = [
  {
    invariant: 'I4',
    what: 'an alert that is open twice',
    plant: (e) =>
      void (e.objects['alerts/alone/2.json'] = { ...object<object>(e, 'alerts/alone/1.json'), id: 2 }),
  },
  {
    invariant: 'I4',
    what: 'a line of an alert’s story',
    plant: (e) => void object<{ history: unknown[] }>(e, 'alerts/alone/1.json').history.pop(),
  },
  {
    invariant: 'I5',
    what: 'a message about an alert',
    plant: (e) =>
      void object<{ deliveries: unknown[] }>(e, 'alerts/alone/1.json').deliveries.push({
        ...{ id: 'delivery/alone/t/pager', sink: 'pager', change: 'opened', state: 'pending', detail: '' },
        at: '2001-02-01T00:00:00.000Z',
      }),
  },
  {
    invariant: 'I5',
    what: 'an alert that a tick has found',
    plant: (e) => void delete e.objects['alerts/alone/1.json'],
  },
  {
    invariant: 'I4',
    what: 'a lifecycle with two versions',
    plant: (e) =>
      void (e.objects['models/alone/versions/4.json'] = {
        ...object<object>(e, 'models/alone/versions/1.json'),
        version: 4,
      }),
  },
  {
    invariant: 'I4',
    what: 'a version that was promoted twice',
    plant: (e) => addEpoch(e, { champion: slots(e, 5).champion, by: 'rollout/alone/2' }),
  },
  { invariant: 'I4', what: 'a second verdict', plant: (e) => addRecord(e, { kind: 'verdict' }) },
  {
    invariant: 'I4',
    what: 'a trigger that was accepted twice',
    plant(e) {
      const key = entry(e, 'started');
      e.objects[key.replace('.json', '-again-1.json')] = object(e, key);
    },
  },
  {
    invariant: 'I4',
    what: 'a trigger that started two lifecycles',
    plant: (e) =>
      void e.runs.push({ ...structuredClone(run(e, 'lifecycle/alone/3')), workflowId: 'lifecycle/alone/4' }),
  },
  {
    invariant: 'I4',
    what: 'two lifecycles at a time',
    plant: (e) => void (run(e, 'lifecycle/alone/2').startedAt = run(e, 'lifecycle/alone/1').startedAt),
  },
  {
    invariant: 'I4',
    what: 'a journal that was shipped twice',
    plant: (e) => void e.predictions.push({ ...e.predictions[0]!, from: 'predictions/alone/x.parquet' }),
  },
  {
    invariant: 'I5',
    what: 'a trigger that the ledger lost',
    plant: (e) => void delete e.objects[entry(e, 'merged')],
  },
  {
    invariant: 'I5',
    what: 'a trigger filed otherwise than was told',
    plant: (e) =>
      void (object<{ disposition: unknown }>(e, entry(e, 'merged')).disposition = {
        status: 'ignored',
        why: 'x',
      }),
  },
  {
    invariant: 'I5',
    what: 'a lost prediction',
    plant(e) {
      const lost = told(e, 'prediction').ids[0];
      // A challenger's copy of it stays: that nobody was answered with.
      e.predictions = e.predictions.filter(({ id, route }) => id !== lost || route === 'shadow');
    },
  },
  { invariant: 'I5', what: 'a lost label', plant: (e) => void e.labels.splice(3, 1) },
  {
    invariant: 'I5',
    what: 'a prediction logged for a version that did not answer it',
    plant: (e) => void (told(e, 'prediction').version = 3),
  },
  {
    invariant: 'I5',
    what: 'one prediction with two contents',
    plant: (e) => void e.predictions.push({ ...e.predictions[0]!, ms: 99, answered: '(0.999)' }),
  },
  {
    invariant: 'I6',
    what: 'a lifecycle that never ends',
    plant: (e) => void (run(e, 'lifecycle/alone/2').status = 'RUNNING'),
  },
  {
    invariant: 'I6',
    what: 'a rollout that waits for nothing',
    plant: (e) => void (run(e, 'rollout/alone/2').status = 'RUNNING'),
  },
  {
    invariant: 'I6',
    what: 'an approval that outlived its deadline',
    plant: (e) => void (run(e, 'approval/asks/3').startedAt = '2001-01-01T00:00:00.000Z'),
  },
  {
    invariant: 'I6',
    what: 'workflow tasks that fail for ever',
    plant: (e) => void (run(e, 'model/alone').taskAttempt = 12),
  },
  {
    invariant: 'I6',
    what: 'an activity that is tried for ever',
    plant: (e) =>
      void run(e, 'model/alone').pending.push({ activity: 'writeSlots', attempt: 40, failure: 'no' }),
  },
  {
    invariant: 'I6',
    what: 'an entity that waits for what is over',
    plant: (e) => void (entity(e).inFlight = { lifecycleId: 'lifecycle/alone/3' }),
  },
  {
    invariant: 'I6',
    what: 'an entity that forgot its lifecycle',
    plant: (e) => void ((e.entities['asks'] as Entity).inFlight = null),
  },
  {
    invariant: 'I6',
    what: 'an entity that lags behind its store',
    plant: (e) => void (entity(e).slots!.epoch = 4),
  },
  {
    invariant: 'I6',
    what: 'an entity that does not answer',
    plant: (e) => void (e.entities['alone'] = { error: 'deadline' }),
  },
  {
    invariant: 'I6',
    what: 'a merged trigger that nothing carried',
    plant: (e) =>
      void (object<{ trigger: { reason: string } }>(e, entry(e, 'merged')).trigger.reason =
        'nobody reads this'),
  },
  {
    invariant: 'I6',
    what: 'a cancelled run that goes on',
    plant: (e) => void (run(e, 'lifecycle/asks/2').status = 'RUNNING'),
  },
  {
    invariant: 'I11',
    what: 'a record with a number above the lease',
    plant(e) {
      train(e, 1).seq = 7;
      e.objects['runs/lifecycle/alone/1/train/lease.json'] = { seq: 2, holder: 'x', at: e.gatheredAt };
    },
  },
  {
    invariant: 'I11',
    what: 'a record that somebody overwrote later',
    plant: (e) =>
      void (object<{ output: { checks: number } }>(
        e,
        'runs/lifecycle/alone/1/validate/record.json',
      ).output.checks = 99),
  },
  {
    invariant: 'I11',
    what: 'a late writer that nothing refused',
    plant: (e) =>
      void e.disturbances.push({ at: e.gatheredAt, kind: 'zombie', target: 'lifecycle/alone/1/train' }),
  },
  {
    invariant: 'I15',
    what: 'a refused prediction that was logged',
    plant: (e) => void (told(e, 'refused').id = e.predictions[0]!.id),
  },
  {
    invariant: 'I15',
    what: 'a refused project that left something',
    plant: (e) => void (e.objects['models/nonsense/current.json'] = {}),
  },
  {
    invariant: 'I15',
    what: 'a forged decision that was counted',
    plant: (e) => void Object.assign(recordOf(e, 'refusal', 'mal'), { kind: 'decision', approved: true }),
  },
  {
    invariant: 'I15',
    what: 'a forged decision that left no trace',
    plant: (e) => void (recordOf(e, 'refusal', 'mal').by = 'eve'),
  },
  {
    invariant: 'I16',
    what: 'other weights from the same data',
    plant: (e) => void (train(e, 3).output.model.sha256 = other),
  },
];
