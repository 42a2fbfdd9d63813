/**
 * The durable owner of a model's name: the only writer of its versions and slots, and the only
 * starter of its lifecycles. One object that answers "where is it, and what is it waiting for".
 *
 * It lives for ever by continue-as-new; its state is bounded (50 versions, 200 trigger ids), the
 * rest is in the store. Handlers are set before the first await. A mutex guards read-modify-write,
 * and is held for one small write at most, so a rollback never waits for a deploy.
 */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  log,
  patched,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import {
  Activation,
  PromotionRequest,
  Quarantine,
  Registration,
  Release,
  RollbackRequest,
  Settled,
  TriggerRequest,
} from '../contracts/model.ts';
import type { ModelState } from '../contracts/model.ts';
import { catchUp } from './catch-up.ts';
import * as messages from './messages.ts';
import { Inbox } from './model-inbox.ts';
import { ending } from './ending.ts';
import { Mutex } from './mutex.ts';
import { Slotting } from './model-slots.ts';

/** Server suggests at 4,096 events; tests ask for less. */
const eventsAtMost = 4_000;

export function newModelState(model: string): ModelState {
  return {
    model,
    setup: null,
    lifecycles: 0,
    inFlight: null,
    pending: null,
    seen: [],
    lookedUntil: null,
    versions: [],
    nextVersion: 1,
    slots: null,
    tickets: 0,
    rollout: null,
  };
}

/** @param input the model's name at the very start; its state when it continues as new. */
export async function model(input: string | ModelState, limit = eventsAtMost): Promise<never> {
  const state = typeof input === 'string' ? newModelState(input) : input;
  const mutex = new Mutex();
  const inbox = new Inbox(state);
  const slotting = new Slotting(state);
  const shown = <T>(turn: () => Promise<T>) => mutex.run(turn).finally(() => show(state));
  const { full, valid } = ending(mutex, limit);

  // A name may be known to the store from a server whose state is gone. This must be the first turn, taken before any
  // handler is set: a handler runs the messages that came before it at once.
  const recalled = typeof input === 'string' && shown(() => catchUp(state));
  setHandler(messages.describeQuery, () => ({ ...state, waitsFor: waitsFor(state) }));
  setHandler(messages.triggerUpdate, (request) => shown(() => inbox.accept(request)), valid(TriggerRequest));
  setHandler(messages.registerUpdate, (made) => shown(() => slotting.register(made)), valid(Registration));
  setHandler(
    messages.requestPromotionUpdate,
    (request) => shown(() => slotting.requestPromotion(request)),
    valid(PromotionRequest),
  );
  setHandler(messages.activateUpdate, (change) => shown(() => slotting.activate(change)), valid(Activation));
  setHandler(
    messages.rollbackUpdate,
    (request) => shown(() => slotting.rollback(request)),
    valid(RollbackRequest),
  );
  setHandler(
    messages.quarantineUpdate,
    (order) => shown(() => slotting.quarantine(order)),
    valid(Quarantine),
  );
  setHandler(messages.releaseUpdate, (order) => shown(() => slotting.release(order)), valid(Release));
  setHandler(
    messages.settledUpdate,
    (settled) => Promise.resolve(inbox.settle(settled)).finally(() => show(state)),
    valid(Settled),
  );
  setHandler(messages.settledSignal, (settled) => {
    // A signal handler must never throw: it would end the entity.
    const read = Settled.safeParse(settled);
    if (read.success) inbox.settle(read.data);
    else log.warn('a malformed settled signal was dropped', { model: state.model });
  });

  await recalled;
  show(state);
  let watches = true;
  let dropsOrphans = true;
  for (;;) {
    const orphaned = () => dropsOrphans && slotting.hasOrphan() && !mutex.locked;
    const unwatched = () => watches && inbox.unwatched();
    const waits = inbox.waitsFor();
    const awake = () => unwatched() || inbox.hasNext() || orphaned() || full();
    if (waits === undefined) await condition(() => awake() || inbox.waitsFor() !== undefined);
    else await condition(() => awake() || inbox.waitsFor() === undefined, waits);
    if (unwatched()) {
      watches = patched('watch-child'); // 0.2.0: one whose end was not told was asked for at the next trigger only
      if (watches) void inbox.lookAfter();
    } else if (orphaned()) {
      dropsOrphans = patched('orphaned-challenger'); // 0.2.0: until then it stayed until the next rollout
      if (dropsOrphans) await shown(() => slotting.dropOrphan());
    } else if (inbox.hasNext()) await shown(() => inbox.startNext());
    else {
      await condition(() => allHandlersFinished() && !mutex.locked);
      await continueAsNew<typeof model>(bounded(state), limit);
    }
  }
}

/**
 * What is carried on, some 40 KB at most: the versions in slots and the newest 50, the newest 200 trigger ids. The store
 * has all versions, and its ledger all ids.
 */
function bounded(state: ModelState): ModelState {
  const { slots } = state;
  const inSlots = new Set([slots?.champion, slots?.challenger, slots?.previous].map((slot) => slot?.version));
  const newest = state.nextVersion - 50;
  return {
    ...state,
    seen: state.seen.slice(-200),
    versions: state.versions.filter(({ version }) => version >= newest || inSlots.has(version)),
  };
}

function waitsFor({ inFlight, pending, waitUntil, rollout, setup }: ModelState): string {
  if (rollout) return `the rollout of version ${rollout.version}`;
  if (inFlight) return `${inFlight.lifecycleId}${pending ? ', then one more trigger' : ''}`;
  if (pending && waitUntil !== undefined) return `${waitUntil}, to run for ${pending.trigger.reason}`;
  return setup ? 'a trigger' : 'its first run';
}

function show(state: ModelState): void {
  const { model: name, slots, versions, inFlight } = state;
  upsertSearchAttributes({
    EsteiraModel: [name],
    EsteiraState: [inFlight ? 'running' : 'waiting'],
    ...(slots?.champion && { EsteiraVersion: [slots.champion.version] }),
  });
  const slot = (label: string, version: number | undefined) => `| ${label} | ${version ?? '–'} |`;
  setCurrentDetails(
    [
      `### ${name}`,
      `waits for **${waitsFor(state)}**`,
      '',
      '| slot | version |',
      '|-|-|',
      slot('champion', slots?.champion?.version),
      slot(challengerText(slots?.challenger), slots?.challenger?.version),
      slot('previous', slots?.previous?.version),
      '',
      `epoch ${slots?.epoch ?? 0}, ${versions.length} versions, ${state.lifecycles} lifecycles`,
    ].join('\n'),
  );
}

/** `challenger 0.1`, `challenger shadow 0.5`. */
function challengerText(slot: { share: number; shadow?: number | undefined } | null | undefined): string {
  if (!slot) return 'challenger';
  return slot.shadow ? `challenger shadow ${slot.shadow}` : `challenger ${slot.share}`;
}
