/** Plants about who said what, and who may serve: I1, I2, I3, I7, I12. */
import type { Package } from '../../../../contracts/serving.ts';
import { addEpoch, addRecord, object, other, recordOf, records, run, slots, told } from './tools.ts';
import type { Evidence } from '../evidence.ts';
import type { Plant } from './tools.ts';

const byRollout = (version: number) => ({ by: `rollout/alone/${version}`, rollout: 'again' });

export const approvalPlants: Plant[] = [
  {
    invariant: 'I1',
    what: 'an epoch that is missing',
    plant: (e) => void delete e.objects['models/alone/slots/3.json'],
  },
  {
    invariant: 'I1',
    what: 'one version in two slots',
    plant: (e) => Object.assign(slots(e, 4).challenger!, slots(e, 4).champion),
  },
  {
    invariant: 'I1',
    what: 'a current.json that lies behind',
    plant: (e) => void (e.objects['models/alone/current.json'] = slots(e, 7)),
  },
  {
    invariant: 'I1',
    what: 'an epoch whose file is not what its entity wrote',
    plant: (e) => void (slots(e, 4).challenger!.share = 0.9),
  },
  {
    invariant: 'I1',
    what: 'a prediction by a version that had no slot',
    plant: (e) => void (e.predictions.find(({ route }) => route === 'challenger')!.epoch = 2),
  },
  {
    invariant: 'I1',
    what: 'a replica that is ahead of the store',
    plant: (e) => reports(e, { epoch: 99 }),
  },
  {
    invariant: 'I1',
    what: 'a replica that acts on an epoch it has not seen',
    plant: (e) => reports(e, { epoch: 2, desired: 1 }),
  },
  {
    invariant: 'I2',
    what: 'a decision of somebody without the role',
    plant: (e) => void (recordOf(e, 'decision', 'bo').by = 'eve'),
  },
  {
    invariant: 'I2',
    what: 'one person counted twice',
    plant: (e) => void (recordOf(e, 'decision', 'bo').by = 'cy'),
  },
  {
    invariant: 'I2',
    what: 'a requester who decides',
    plant: (e) => void (recordOf(e, 'decision', 'bo').by = 'ana'),
  },
  {
    invariant: 'I2',
    what: 'a verdict that comes before enough people agreed',
    plant: (e) => void (recordOf(e, 'decision', 'cy').kind = 'reminder'),
  },
  {
    invariant: 'I2',
    what: 'an approval after the fact',
    plant: (e) => void (recordOf(e, 'verdict').at = '2999-01-01T00:00:00.000Z'),
  },
  {
    invariant: 'I2',
    what: 'a version that people rejected',
    plant: (e) => void (recordOf(e, 'verdict').approved = false),
  },
  {
    invariant: 'I2',
    what: 'an approval of another policy',
    plant: (e) => void (recordOf(e, 'verdict').subject.policyDigest = other),
  },
  {
    invariant: 'I2',
    what: 'a yes after a no',
    plant: (e) => void (recordOf(e, 'decision', 'bo').approved = false),
  },
  {
    invariant: 'I2',
    what: 'a decision after the verdict',
    plant: (e) => addRecord(e, { kind: 'decision', by: 'bo', approved: true }),
  },
  {
    invariant: 'I2',
    what: 'a second rollout on one approval',
    plant: (e) => addEpoch(e, { challenger: { ...slots(e, 3).challenger!, share: 0 }, ...byRollout(2) }),
  },
  {
    invariant: 'I2',
    what: 'an approval that was spent on another version',
    plant: (e) =>
      void (e.objects['spent/alone/2.json'] = {
        requestId: 'alone/2',
        model: 'alone',
        version: 1,
        rollout: 'r',
        epoch: 3,
        at: e.gatheredAt,
      }),
  },
  {
    invariant: 'I3',
    what: 'a model that was not the one evaluated',
    plant(e) {
      const record = object<{ input: { candidate: { model: { sha256: string } } } }>(
        e,
        'runs/lifecycle/alone/2/evaluate/record.json',
      );
      record.input.candidate.model.sha256 = other;
    },
  },
  {
    invariant: 'I3',
    what: 'a package with another model than was approved',
    plant(e) {
      const { package: stored } = object<{ package: { sha256: string } }>(e, 'models/asks/versions/1.json');
      (e.documents[stored.sha256] as Package).onnx.sha256 = other;
    },
  },
  {
    invariant: 'I3',
    what: 'an answer from other bytes',
    plant: (e) => void (e.predictions[0]!.digest = other),
  },
  {
    invariant: 'I7',
    what: 'a refusal that is not on record',
    plant(e) {
      // Whoever hides it closes the gap.
      const gone = recordOf(e, 'refusal', 'eve').n;
      const kept = records(e).filter(({ n }) => n !== gone);
      delete e.objects[`approvals/asks/1/${kept.length + 1}.json`];
      for (const [at, record] of kept.entries())
        e.objects[`approvals/asks/1/${at + 1}.json`] = { ...record, n: at + 1 };
    },
  },
  {
    invariant: 'I7',
    what: 'a gap in the records',
    plant: (e) => void delete e.objects['approvals/asks/1/3.json'],
  },
  {
    invariant: 'I7',
    what: 'a record of what nobody said',
    plant: (e) => void (recordOf(e, 'refusal', 'eve').reason = 'never'),
  },
  {
    invariant: 'I7',
    what: 'records out of order in time',
    plant: (e) => void (recordOf(e, 'decision', 'cy').at = '1999-01-01T00:00:00.000Z'),
  },
  {
    invariant: 'I7',
    what: 'an approval that is over without a verdict',
    plant: (e) => void delete e.objects[`approvals/asks/1/${recordOf(e, 'verdict').n}.json`],
  },
  {
    invariant: 'I7',
    what: 'a decision that was accepted and not filed',
    plant: (e) => void (told(e, 'decision').receipt = { accepted: true, verdict: 'pending', missing: '' }),
  },
  {
    invariant: 'I12',
    what: 'a rollback to the version that failed',
    plant: (e) => void (slots(e, 6).champion = slots(e, 5).champion),
  },
  {
    invariant: 'I12',
    what: 'a rollback to a version that never was champion',
    plant: (e) => void (slots(e, 6).champion = slots(e, 7).challenger),
  },
  {
    invariant: 'I12',
    what: 'a barred version that serves again',
    plant: (e) => addEpoch(e, { champion: slots(e, 5).champion, ...byRollout(2), at: e.gatheredAt }),
  },
  {
    invariant: 'I12',
    what: 'a failed version that is not barred',
    plant: (e) => void delete e.objects['models/alone/quarantine/2.json'],
  },
  {
    invariant: 'I12',
    what: 'a rollback that ended elsewhere than was told',
    plant: (e) => void (told(e, 'rollback').answer = { accepted: true, epoch: 6, version: 3 }),
  },
  {
    invariant: 'I12',
    what: 'a rollout that failed and left its version free',
    plant(e) {
      const result = { status: 'rolled-back', reason: 'slow', steps: [] };
      run(e, 'rollout/alone/3').events.at(-1)!.about['result'] = [result];
    },
  },
  {
    invariant: 'I12',
    what: 'a rollout whose evidence was lost',
    plant(e) {
      const keys = Object.keys(e.objects).filter((key) => key.startsWith('models/alone/rollouts/3/'));
      for (const key of keys) delete e.objects[key];
    },
  },
];

function reports(e: Evidence, state: { epoch: number; desired?: number }): void {
  const at = e.gatheredAt;
  const model = { ...state, loaded: [], failed: [], counters: [] };
  e.objects['replicas/x.json'] = { replica: 'x', url: 'u', at, startedAt: at, models: { alone: model } };
}
