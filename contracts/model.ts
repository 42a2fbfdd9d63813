/**
 * The model entity's messages: workflow `model/<name>`, the only writer of versions and slots and
 * the only starter of lifecycles. A refusal is a value, so that it stays in the history.
 */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId, ModelName, Person, Ratio, Reason, Sha256 } from './artifact.ts';
import { Verdict } from './approval.ts';
import { Reuse, TrainingPlan, Trigger } from './lifecycle.ts';
import { ApprovalPolicy } from './project.ts';
import { RetrainPolicy } from './retrain.ts';
import { Traffic } from './rollout.ts';
import { Slots } from './serving.ts';

/** What the entity needs of a pinned project to start lifecycles from it. Durations are in ms. */
export const ProjectSetup = z.object({
  model: ModelName,
  project: Artifact,
  windowMs: z.int().positive(),
  cooldownMs: z.int().nonnegative(),
  monitorEveryMs: z.int().positive(),
  bakes: z.array(z.object({ share: z.number(), bakeMs: z.int().nonnegative() })).max(20),
  /** The strategy of its rollouts; absent before 0.4.0: the bakes alone. */
  traffic: Traffic.optional(),
  policy: ApprovalPolicy,
  policyDigest: Sha256,
  deadlineMs: z.int().positive(),
  reminderMs: z.int().positive().optional(),
  device: z.enum(['cpu', 'gpu']),
  training: TrainingPlan.optional(),
  reuse: Reuse.optional(),
  /** Absent before 0.5.0: cooldown alone. */
  retrain: RetrainPolicy.optional(),
});
export type ProjectSetup = z.infer<typeof ProjectSetup>;

/** Asks for a lifecycle. A manual one brings the project as it is now; others use the last one. */
export const TriggerRequest = z.object({
  trigger: Trigger,
  setup: ProjectSetup.optional(),
  /** For this run alone, over the project's own. */
  reuse: Reuse.optional(),
  drill: z.object({ overrideGates: z.boolean(), shuffleLabels: z.boolean() }).optional(),
});
export type TriggerRequest = z.infer<typeof TriggerRequest>;

/** What became of a trigger: each accepted one has exactly one. */
export const Disposition = z.discriminatedUnion('status', [
  z.object({ status: z.literal('started'), lifecycleId: LifecycleId }),
  /** It waits for the lifecycle in flight; the next one will carry it. */
  z.object({ status: z.literal('merged'), behind: LifecycleId }),
  /** It waits for the time: the next lifecycle will carry it. `after`: the last one before. Not before 0.5.0, as the next. */
  z.object({ status: z.literal('waiting'), until: Instant, why: z.string(), after: LifecycleId.optional() }),
  /** A person is to start it. */
  z.object({ status: z.literal('suggested'), why: z.string() }),
  z.object({ status: z.literal('duplicate') }),
  z.object({
    status: z.literal('ignored'),
    why: z.string(),
    /** Absent before 0.5.0. */
    code: z.enum(['cooldown', 'back-off', 'budget', 'no-project']).optional(),
  }),
]);
export type Disposition = z.infer<typeof Disposition>;

/** `events/<model>/<trigger id>.json`: the ledger remembers for ever, an entity for a while. `at`: when; absent before 0.5.0. */
export const LedgerEntry = z.object({
  trigger: Trigger,
  disposition: Disposition,
  at: Instant.optional(),
});
export type LedgerEntry = z.infer<typeof LedgerEntry>;

export const Registration = z.object({
  lifecycleId: LifecycleId,
  package: Artifact,
  onnx: Artifact,
  verdict: Verdict,
});
export type Registration = z.infer<typeof Registration>;

export const PromotionRequest = z.object({
  version: z.int().positive(),
  lifecycleId: LifecycleId,
  /** Run id of the rollout that asks; absent before 0.2.0. */
  rollout: z.string().max(200).optional(),
});
export type PromotionRequest = z.infer<typeof PromotionRequest>;

export const Refusal = z.object({
  accepted: z.literal(false),
  code: z.enum([
    'superseded',
    'unknown-version',
    'quarantined',
    'not-quarantined',
    'no-previous',
    'not-approved',
  ]),
  detail: z.string(),
});
export type Refusal = z.infer<typeof Refusal>;

/** `ticket` fences the rollout: only the holder of the newest one may shift traffic. */
export const PromotionAnswer = z.discriminatedUnion('accepted', [
  z.object({
    accepted: z.literal(true),
    ticket: z.int().positive(),
    champion: z.int().nullable(),
  }),
  Refusal,
]);
export type PromotionAnswer = z.infer<typeof PromotionAnswer>;

/** Moves a version to a slot: `challenger` with a share, `champion` (ends the rollout), or `none` (takes it back). */
export const Activation = z.object({
  ticket: z.int().positive(),
  /** Counts the rollout's own steps, so that one that was delayed cannot undo a later one; absent before 0.2.0. */
  step: z.int().positive().optional(),
  version: z.int().positive(),
  to: z.enum(['challenger', 'champion', 'none']),
  share: Ratio.default(0),
  /** The share of the champion's requests that it answers too; not before 0.4.0. */
  shadow: Ratio.optional(),
  reason: Reason,
});
export type Activation = z.infer<typeof Activation>;

export const ActivationAnswer = z.discriminatedUnion('accepted', [
  z.object({ accepted: z.literal(true), epoch: z.int().positive() }),
  Refusal,
]);
export type ActivationAnswer = z.infer<typeof ActivationAnswer>;

export const RollbackRequest = z.object({ by: Person, reason: Reason });
export type RollbackRequest = z.infer<typeof RollbackRequest>;
export const RollbackAnswer = z.discriminatedUnion('accepted', [
  z.object({ accepted: z.literal(true), epoch: z.int(), version: z.int() }),
  Refusal,
]);
export type RollbackAnswer = z.infer<typeof RollbackAnswer>;

/** Bars a version from ever serving again. */
export const Quarantine = z.object({ version: z.int().positive(), by: Person, reason: Reason });
export type Quarantine = z.infer<typeof Quarantine>;

/** Lifts a quarantine. What was filed stays on file, with who lifted it and why. */
export const Release = z.object({ version: z.int().positive(), by: Person, reason: Reason });
export type Release = z.infer<typeof Release>;
export const ReleaseAnswer = z.discriminatedUnion('accepted', [
  z.object({ accepted: z.literal(true), version: z.int() }),
  Refusal,
]);
export type ReleaseAnswer = z.infer<typeof ReleaseAnswer>;

/**
 * `models/<model>/quarantine/<version>/<n>.json`, n from 2: what came after the first quarantine, which is
 * `quarantine/<version>.json`. The last one counts.
 */
export const Bar = Release.extend({ kind: z.enum(['quarantined', 'released']) });
export type Bar = z.infer<typeof Bar>;

/** A lifecycle tells how it ended; `failed` and `cancelled` are not outcomes, but end it too. */
export const Settled = z.object({ lifecycleId: LifecycleId, status: z.string() });
export type Settled = z.infer<typeof Settled>;

export const VersionState = z.object({
  version: z.int().positive(),
  lifecycleId: LifecycleId,
  package: Artifact,
  onnx: Artifact,
  quarantined: z.string().nullable(),
});
export type VersionState = z.infer<typeof VersionState>;

/** What of an entity's state can be found again: in the store, and by asking for its lifecycles. */
export const Recalled = z.object({
  lifecycles: z.int().nonnegative(),
  versions: z.array(VersionState),
  nextVersion: z.int().positive(),
  slots: Slots.nullable(),
  /** The last lifecycle, if it still runs; absent in 0.1.0, as the next. */
  inFlight: z.object({ lifecycleId: LifecycleId, trigger: Trigger }).nullable().optional(),
  /** Triggers that the ledger has waiting behind the last lifecycle: nothing has carried them yet. */
  waiting: z.array(Trigger).optional(),
  /** Of the project that was run last: what is started next, until somebody runs another. */
  setup: ProjectSetup.nullable().optional(),
});
export type Recalled = z.infer<typeof Recalled>;

/** The entity's whole state, carried across continue-as-new: bounded, see workflows/model.ts. */
export const ModelState = z.object({
  model: ModelName,
  setup: ProjectSetup.nullable(),
  lifecycles: z.int().nonnegative(),
  inFlight: z.object({ lifecycleId: LifecycleId, trigger: Trigger }).nullable(),
  pending: TriggerRequest.nullable(),
  /** The rest of what retraining goes by is absent before 0.5.0. `pending` is not to start before. */
  waitUntil: Instant.optional(),
  /** Retrainings in a row that shipped nothing. */
  fruitless: z.int().nonnegative().optional(),
  /** Where the data of the first lifecycle began. */
  firstFrom: Instant.optional(),
  /** Trigger ids already answered, oldest first. */
  seen: z.array(z.string()),
  /** Event time up to which the last lifecycle looked; cooldown counts from here. */
  lookedUntil: Instant.nullable(),
  versions: z.array(VersionState),
  nextVersion: z.int().positive(),
  slots: Slots.nullable(),
  tickets: z.int().nonnegative(),
  rollout: z
    .object({
      ticket: z.int(),
      version: z.int(),
      lifecycleId: LifecycleId,
      run: z.string().optional(),
      step: z.int().optional(),
    })
    .nullable(),
  /** The last step of the last rollout that ended: asked again, it gets the same answer. */
  lastStep: z
    .object({ ticket: z.int(), step: z.int(), epoch: z.int(), to: z.string().optional() })
    .optional(),
});
export type ModelState = z.infer<typeof ModelState>;

/** `describe`: where is it, what is it waiting for, why. */
export interface ModelDescription extends ModelState {
  waitsFor: string;
}

/** Update names with what they take and give: one table for the entity, activities and the client. */
export interface ModelUpdates {
  trigger: [TriggerRequest, Disposition];
  register: [Registration, { version: number }];
  requestPromotion: [PromotionRequest, PromotionAnswer];
  activate: [Activation, ActivationAnswer];
  rollback: [RollbackRequest, RollbackAnswer];
  quarantine: [Quarantine, { accepted: boolean }];
  release: [Release, ReleaseAnswer];
  settled: [Settled, { known: boolean }];
}
