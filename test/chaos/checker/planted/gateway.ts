/** Plants about what came by the gateway, and what became of triggers that wait or start nothing: I5, I6. */
import assert from 'node:assert/strict';
import type { Batch, Drive, Driven } from '../../../../contracts/inbox.ts';
import type { Disposition } from '../../../../contracts/model.ts';
import { sha256 } from '../../../../infra/digest.ts';
import { canonicalJson } from '../../../../infra/store/json.ts';
import type { Entity, Evidence } from '../evidence.ts';
import { entry, object, other, run, told } from './tools.ts';
import type { Plant } from './tools.ts';

const drive = 'inbox/drives/alone/event/000000000001.json';
const driven = 'inbox/driven/alone/event/000000000001.json';
const filed = 'events/alone/event/1.json';

/** The batch with the event that was told. */
function batch(evidence: Evidence): Batch {
  const found = Object.entries(evidence.objects).find(
    ([key, value]) => key.startsWith('inbox/log/') && (value as Batch).events[0]?.to?.length === 1,
  );
  assert(found, 'no batch');
  return found[1] as Batch;
}

function copyOf(evidence: Evidence, key: string, to: string, change: object): void {
  evidence.objects[to] = { ...structuredClone(object<object>(evidence, key)), ...change };
}

const disposition = (evidence: Evidence, key: string) => object<{ disposition: Disposition }>(evidence, key);

export const gatewayPlants: Plant[] = [
  {
    invariant: 'I5',
    what: 'an event that the ledger lost',
    plant: (e) => void (batch(e).events[0]!.event.id = 'another'),
  },
  {
    invariant: 'I5',
    what: 'a batch that is gone',
    plant: (e) => void delete e.objects[Object.keys(e.objects).find((key) => key.startsWith('inbox/log/'))!],
  },
  {
    invariant: 'I5',
    what: 'an event with other bytes than were acknowledged',
    plant(e) {
      const [first] = batch(e).events;
      first!.event.data = { line: 4 };
      first!.digest = sha256(canonicalJson(first!.event));
    },
  },
  {
    invariant: 'I5',
    what: 'an event that is not what its digest says',
    plant: (e) => void (batch(e).events[0]!.event.subject = 'x'),
  },
  {
    invariant: 'I5',
    what: 'an event that was accepted twice',
    plant: (e) => void batch(e).events.push(structuredClone(batch(e).events[0]!)),
  },
  { invariant: 'I5', what: 'an event without a drive', plant: (e) => void delete e.objects[drive] },
  { invariant: 'I5', what: 'an event without a disposition', plant: (e) => void delete e.objects[driven] },
  {
    invariant: 'I5',
    what: 'an event with two dispositions',
    plant(e) {
      copyOf(e, drive, drive.replace('1.json', '2.json'), { n: 2 });
      copyOf(e, driven, driven.replace('1.json', '2.json'), {});
    },
  },
  {
    invariant: 'I5',
    what: 'an event of which nobody ever said who listens',
    plant: (e) => void (batch(e).events[0]!.to = null),
  },
  {
    invariant: 'I5',
    what: 'a drive that passed events over',
    plant: (e) => void (object<Drive>(e, drive).after = batch(e).seq + 1),
  },
  {
    invariant: 'I5',
    what: 'an answer that is of another trigger',
    plant: (e) => void (object<Driven>(e, driven).trigger = 'event/7'),
  },
  {
    invariant: 'I5',
    what: 'a disposition whose trigger the model does not know',
    plant: (e) => void delete e.objects[filed],
  },
  {
    invariant: 'I5',
    what: 'a disposition whose trigger the model has twice',
    plant: (e) => copyOf(e, filed, 'events/alone/event/1-again.json', {}),
  },
  {
    invariant: 'I5',
    what: 'an event told of otherwise than the model answered',
    plant: (e) =>
      void (disposition(e, filed).disposition = { status: 'ignored', why: 'x', code: 'cooldown' }),
  },
  {
    invariant: 'I5',
    what: 'a trigger of an event that nobody sent',
    plant: (e) =>
      copyOf(e, filed, 'events/alone/event/2.json', {
        trigger: { ...object<{ trigger: object }>(e, filed).trigger, id: 'event/2' },
      }),
  },
  {
    invariant: 'I5',
    what: 'a drive that carries no event',
    plant: (e) => void (batch(e).events[0]!.to = []),
  },
  {
    invariant: 'I5',
    what: 'a conflict that was none',
    plant: (e) => void (told(e, 'event-conflict').digest = batch(e).events[0]!.digest),
  },
  {
    invariant: 'I5',
    what: 'a sender who was told another disposition',
    plant(e) {
      const one = e.acknowledged.find(({ kind, ...more }) => kind === 'event' && 'disposition' in more);
      assert(one?.kind === 'event');
      one.disposition = { status: 'ignored', why: 'nobody is at home' };
    },
  },
  { invariant: 'I5', what: 'a pushed row that is lost', plant: (e) => void (e.landed = []) },
  {
    invariant: 'I5',
    what: 'a pushed row that is there twice',
    plant: (e) => void e.landed.push({ ...e.landed[0]!, from: 'landing/sensors/x.parquet' }),
  },
  {
    invariant: 'I5',
    what: 'a push that was refused for nothing',
    plant(e) {
      const key = Object.keys(e.objects).find((one) => one.startsWith('landed/sensors/keys/'))!;
      told(e, 'push-conflict').digest = object<{ digest: string }>(e, key).digest;
    },
  },
  {
    invariant: 'I5',
    what: 'a label with another value',
    plant: (e) => void (e.labels.find(({ id }) => id === 'by-gateway')!.label = '0'),
  },
  {
    invariant: 'I5',
    what: 'a trigger ignored for a reason that there is not',
    plant: (e) =>
      void (disposition(e, filed).disposition = {
        status: 'ignored',
        why: 'x',
        code: 'mood' as 'cooldown',
      }),
  },
  {
    invariant: 'I5',
    what: 'a trigger that was only suggested, and has started',
    plant(e) {
      const started = structuredClone(run(e, 'lifecycle/alone/3'));
      const input = started.events[0]!.about['input'] as { trigger: { id: string } }[];
      input[0]!.trigger.id = 'event/1';
      e.runs.push({ ...started, workflowId: 'lifecycle/alone/4', runId: other });
    },
  },
  {
    invariant: 'I6',
    what: 'a trigger that waited for a time, and nothing carried',
    plant: (e) =>
      void (disposition(e, entry(e, 'started')).disposition = {
        ...{ status: 'waiting', until: '2001-02-01T00:00:00.000Z', why: 'more reasons may come' },
        after: 'lifecycle/alone/3',
      }),
  },
  {
    invariant: 'I6',
    what: 'a trigger that waits though its time has come',
    plant: (e) =>
      void Object.assign(e.entities['alone'] as Entity, {
        ...{ pending: { trigger: { at: '2001-02-01T00:00:00.000Z', reason: 'x' } }, inFlight: null },
        waitUntil: '2001-02-01T00:00:00.000Z',
      }),
  },
];
