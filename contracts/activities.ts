/**
 * The activities beside the stages of `lifecycle.ts`: what `approve`, `deploy`, `monitor` and
 * `retrain` do to the world. Types only; each activity parses what it gets.
 */
import type { AlertActivities } from './alerts.ts';
import type { Artifact, Window } from './artifact.ts';
import type { ApprovalRecord, Verdict } from './approval.ts';
import type { Input, Output, StageActivities } from './lifecycle.ts';
import type {
  Recalled,
  Activation,
  ActivationAnswer,
  Disposition,
  PromotionAnswer,
  PromotionRequest,
  Quarantine,
  Release,
  Settled,
  TriggerRequest,
} from './model.ts';
import type { Compaction, RetrainAnswer, TickSummary } from './monitor.ts';
import type { Spent } from './retrain.ts';
import type { Observation, RolloutRecord, Step } from './rollout.ts';
import type { ScoreActivities } from './score.ts';
import type { Slots, VersionRecord } from './serving.ts';

/** A verdict on record. */
export type Standing = Pick<Verdict, 'status' | 'decisions'>;

export interface ApproveActivities {
  /**
   * Files one record under `approvals/<requestId>/<n>.json`; filing it twice is filing it once.
   *
   * @returns for `requested`, the verdict that was given on this very subject before, if any
   */
  recordApproval(record: ApprovalRecord): Promise<Standing | null>;
}

/** What to look at: the traffic of `version` since `epoch` took effect, under the project's limits. */
export interface ObserveInput {
  project: Artifact;
  model: string;
  version: number;
  champion: number | null;
  epoch: number;
  share: number;
  /** Whether the prediction log is read too: drift and quality. Absent before 0.4.0, as the next two: it is not. */
  log?: boolean;
  mode?: Step['mode'];
  since?: { epoch: number; at: string };
}

export interface DeployActivities {
  /** Tells the model entity; the update id makes a second attempt the same request. */
  requestPromotion(input: PromotionRequest & { model: string; updateId: string }): Promise<PromotionAnswer>;
  shift(input: Activation & { model: string; updateId: string }): Promise<ActivationAnswer>;
  quarantine(input: Quarantine & { model: string; updateId: string }): Promise<void>;
  /** For a lifecycle: tells the model entity that it is over. */
  tellSettled(input: Settled & { model: string; updateId: string }): Promise<void>;
  /** Waits until every live replica has the version loaded, or one says that it cannot. */
  settle(input: {
    model: string;
    version: number;
    epoch: number;
  }): Promise<{ ready: boolean; reason: string }>;
  observe(input: ObserveInput): Promise<Observation>;
  /** For the model entity alone: writes what it decided, fenced by the epoch. */
  writeVersion(record: VersionRecord): Promise<void>;
  writeSlots(slots: Slots): Promise<void>;
  writeQuarantine(record: Quarantine & { model: string }): Promise<void>;
  /** @returns why the version is barred all the same; null if it is not any more */
  writeRelease(record: Release & { model: string }): Promise<{ barred: string | null }>;
  /** Files how a rollout ended, with all that was seen; filing it twice is filing it once. */
  recordRollout(record: RolloutRecord): Promise<void>;
  /** What the store knows of a model, for an entity that starts with nothing: its server's state was lost. */
  recall(input: { model: string }): Promise<Recalled>;
  /** Creates or updates the model's monitoring Schedule. */
  watch(input: { model: string; everyMs: number }): Promise<void>;
}

export interface MonitorActivities {
  /** @param input.again makes a tick that is on record anew; else the first look stands */
  monitor(input: { model: string; window: Window; again?: boolean }): Promise<TickSummary>;
  /** Windows before this one whose labels were not all there, where some have come since. */
  staleTicks(input: { model: string; window: Window }): Promise<Window[]>;
  /** Makes few files of the many of days that are over. Rows stay as they are. */
  compact(input: { model: string; before: string }): Promise<Compaction>;
  /** Until 0.5.0, when `tellAlerts` took over: sends the alerts to the project's webhook, if it has one. */
  notify(input: { model: string; tick: TickSummary }): Promise<void>;
}

export interface RetrainActivities {
  retrain(input: { model: string; tick: TickSummary }): Promise<RetrainAnswer[]>;
  /** For the model entity alone: the inbox ledger, `events/<source>/<id>.json`. */
  recordDisposition(input: {
    model: string;
    request: TriggerRequest;
    disposition: Disposition;
  }): Promise<void>;
  /** What became of a trigger, by the ledger; null when it never came before. */
  findDisposition(input: { model: string; id: string }): Promise<Disposition | null>;
  /** What the model's lifecycles have taken since; for the model entity, which has a budget to keep. */
  spent(input: { model: string; since: string }): Promise<Spent>;
  /** Whether a lifecycle still runs; the entity asks when it has heard nothing. */
  isRunning(input: { lifecycleId: string }): Promise<boolean>;
}

/** One training of a search. */
export interface TrialInput extends Input<'train'> {
  /** From 1. */
  trial: number;
}

/** The little of a trial that a workflow goes by; the rest is in `runs/<lifecycleId>/search/<trial>/record.json`. */
export interface TrialSummary {
  trial: number;
  state: 'done' | 'stopped' | 'failed';
  value: number | null;
  /** The value, turned so that less is better; null for a trial that cannot become the version. */
  loss: number | null;
}

export interface SearchActivities {
  /** Trains once with parameters of the search's choice. A trial that is on record is not run again. */
  trial(input: TrialInput): Promise<TrialSummary>;
  /** The best trial becomes the train stage's output. @throws `TrainerFailed` when none has a model */
  chooseTrial(input: Input<'train'> & { trials: number }): Promise<Output<'train'>>;
}

export interface QueueActivities {
  /** Whether anybody serves the queue; looks again and again for `patienceMs`, for ever if null. */
  awaitWorker(input: {
    queue: 'gpu';
    patienceMs: number | null;
  }): Promise<{ served: boolean; since: string }>;
}

export interface TrackActivities {
  /**
   * Tells a tracking server what the records say, and how the lifecycle ended (deployed, failed, cancelled, …); null when
   * there is none. Never fails but by cancellation.
   */
  track(input: { lifecycleId: string; status: string }): Promise<object | null>;
}

export type AllActivities = StageActivities &
  TrackActivities &
  ScoreActivities &
  SearchActivities &
  QueueActivities &
  ApproveActivities &
  DeployActivities &
  MonitorActivities &
  AlertActivities &
  RetrainActivities;
