/** Plants about bytes, sizes, leaks and words: I8, I9, I10, I13, I14. */
import type { Left } from '../evidence.ts';
import { object, other, run } from './tools.ts';
import type { Plant } from './tools.ts';

const canary = 'vermilion42';

const leaks: Partial<{ [K in keyof Left]: Left[K] }> = {
  work: ['train-1'],
  storeTemporary: ['0a1b'],
  lockWaiters: ['.locks/00/.1'],
  downloads: ['2c3d'],
  serving: ['serving/one/spill/x'],
  gateway: ['gateway/~vm~1~2~x.jsonl'],
  journals: ['serving/one/journal-1.jsonl'],
  processes: [{ pid: 4, command: 'node onnx-trainer.ts' }],
  ports: [8080],
  uploads: ['blobs/x'],
};

export const placePlants: Plant[] = [
  {
    invariant: 'I8',
    what: 'a history of too many events',
    plant: (e) => void (run(e, 'model/alone').length = 4_200),
  },
  {
    invariant: 'I8',
    what: 'a history of too many bytes',
    plant: (e) => void (run(e, 'model/alone').bytes = 5_000_000),
  },
  {
    invariant: 'I9',
    what: 'a history that does not replay',
    plant: (e) => void (e.replays[0]!.error = '[TMPRL1100]'),
  },
  { invariant: 'I9', what: 'a history that was not replayed', plant: (e) => void e.replays.pop() },
  {
    invariant: 'I10',
    what: 'a blob with other bytes',
    plant: (e) => void (Object.values(e.blobs)[0]!.sha256 = other),
  },
  {
    invariant: 'I10',
    what: 'a blob that is not there',
    plant(e) {
      const { package: stored } = object<{ package: { uri: string } }>(e, 'models/alone/versions/2.json');
      delete e.blobs[stored.uri];
    },
  },
  { invariant: 'I10', what: 'a short blob', plant: (e) => void Object.values(e.blobs)[0]!.bytes-- },
  {
    invariant: 'I10',
    what: 'an object cut in half',
    plant: (e) => void e.unreadable.push({ key: 'models/alone/current.json', why: 'SyntaxError' }),
  },
  {
    invariant: 'I10',
    what: 'an object of another shape',
    plant: (e) => void (e.objects['models/alone/versions/2.json'] = { version: 2 }),
  },
  { invariant: 'I10', what: 'debris of a writer', plant: (e) => void e.left.storeTemporary.push('0a1b') },
  ...Object.entries(leaks).map(([where, found]): Plant => ({
    invariant: 'I13',
    what: `something left in ${where}`,
    plant: (e) => Object.assign(e.left, { [where]: found }),
  })),
  {
    invariant: 'I13',
    what: 'a replica that did not sign off',
    plant: (e) => void (e.objects['replicas/one.json'] = {}),
  },
  {
    invariant: 'I13',
    what: 'a probe that was left',
    plant: (e) => void e.unreadable.push({ key: 'probe/1', why: 'no JSON' }),
  },
  {
    invariant: 'I14',
    what: 'a secret in a log or a card',
    plant: (e) => void e.canariesSeen.push({ canary, where: 'logs/worker.log' }),
  },
  {
    invariant: 'I14',
    what: 'a secret in what a workflow was given',
    plant: (e) => void (run(e, 'lifecycle/alone/1').events[0]!.about['input'] = [{ token: canary }]),
  },
  {
    invariant: 'I14',
    what: 'a secret in a search attribute',
    plant: (e) => void (run(e, 'model/alone').searchAttributes = { EsteiraModel: [canary] }),
  },
  {
    invariant: 'I14',
    what: 'a secret in a memo',
    plant: (e) => void (run(e, 'model/alone').memo = { key: canary }),
  },
  {
    invariant: 'I14',
    what: 'a secret in an error',
    plant: (e) => void run(e, 'model/alone').pending.push({ activity: 'watch', attempt: 1, failure: canary }),
  },
];
