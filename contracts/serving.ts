/**
 * What the serving side shares with the belt: signatures, packages, slots, the prediction log, and
 * what replicas report. The store is the channel: the belt writes `models/<name>/current.json`,
 * replicas follow it and report in `replicas/<replica>.json`.
 */
import { z } from 'zod';
import { Artifact, Instant, LifecycleId, ModelName, Ratio, Sha256, Window } from './artifact.ts';
import { Log, Task } from './project.ts';
import { Verdict } from './approval.ts';

/**
 * Open Inference Protocol datatypes, BF16 aside, which the runtime has not. Of packages made here: numbers, nullable or not, are FP64 (NaN is null, JSON
 * `null` too), booleans BOOL, strings BYTES ("" is null), timestamps INT64 (ms since 1970
 * UTC; the least INT64, numpy's NaT, is null). A BOOL has no null: false stands for it.
 */
export const Datatype = z.enum([
  ...(['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64'] as const),
  ...(['FP16', 'FP32', 'FP64', 'BYTES'] as const),
]);
export type Datatype = z.infer<typeof Datatype>;

/** One tensor a column. `shape` is [-1] (rows), or [-1, k] for class probabilities. */
export const TensorSpec = z.object({
  name: z.string(),
  datatype: Datatype,
  shape: z.array(z.int()),
  nullable: z.boolean().optional(),
  /** `timestamp` for INT64 milliseconds. */
  kind: z.string().optional(),
});
export type TensorSpec = z.infer<typeof TensorSpec>;

/**
 * binary: output `probability` FP32 [-1]; multiclass: `probabilities` FP32 [-1, k];
 * regression: `prediction` FP32 [-1]. The first output is what monitoring watches.
 */
export const Signature = z.object({
  task: Task,
  inputs: z.array(TensorSpec).min(1),
  outputs: z.array(TensorSpec).min(1),
  classes: z.array(z.string()),
});
export type Signature = z.infer<typeof Signature>;

/** What goes in and what comes out, and nothing of what it means: all that there is to know of a file from elsewhere. */
export type Ports = Pick<Signature, 'inputs' | 'outputs'>;

/** Column-wise rows: `inputs[name][row]`; numbers, strings, booleans, or null. */
export const Columns = z.record(
  z.string(),
  z.array(z.union([z.number(), z.string(), z.boolean(), z.null()])),
);
export type Columns = z.infer<typeof Columns>;

/** Rows with the predictions `evaluate` made, which every replica must repeat before it serves. */
export const Golden = z.object({
  rows: z.int().positive(),
  inputs: Columns,
  /** Row-major values of the first output. */
  outputs: z.array(z.number()),
  /** Largest absolute difference tolerated. */
  tolerance: z.number().positive(),
});
export type Golden = z.infer<typeof Golden>;

/** What monitoring compares with: one entry a watched column, the prediction included. */
export const ReferenceColumn = z.object({
  name: z.string(),
  kind: z.enum(['number', 'category']),
  rows: z.int().positive(),
  nulls: z.int().nonnegative(),
  /** number: inner bin edges (k-1, ascending); `counts` has k bins. */
  edges: z.array(z.number()).optional(),
  /** category: values of the bins; the last count is of all others. */
  values: z.array(z.string()).optional(),
  counts: z.array(z.int()),
});
export type ReferenceColumn = z.infer<typeof ReferenceColumn>;

/** A model package, `models/<name>/versions/<n>.json` points to it: everything one must have to serve. */
export const Package = z.object({
  model: ModelName,
  task: Task,
  onnx: Artifact,
  signature: Signature,
  golden: Artifact,
  card: Artifact,
  scorecard: Artifact,
  report: Artifact,
  /** Ten bins a column: what the guards of a rollout compare with, and before 0.5.0 monitoring. */
  reference: z.array(ReferenceColumn),
  /** `Watch`; absent before 0.5.0. */
  watch: Artifact.optional(),
  /** Metrics on the holdout: what later quality is compared with. */
  metrics: z.record(z.string(), z.number().nullable()),
  lifecycleId: LifecycleId,
  datasetDigest: Sha256,
  window: Window,
  project: Artifact,
  /** What of its traffic is written down; absent, as before 0.4.0: all of it. */
  log: Log.optional(),
});
export type Package = z.infer<typeof Package>;

/** `models/<name>/versions/<n>.json` */
export const VersionRecord = z.object({
  model: ModelName,
  version: z.int().positive(),
  package: Artifact,
  lifecycleId: LifecycleId,
  registeredAt: Instant,
  verdict: Verdict,
});
export type VersionRecord = z.infer<typeof VersionRecord>;

const SlotVersion = z.object({ version: z.int().positive(), package: Artifact });

/** `models/<name>/current.json`, and one immutable `models/<name>/slots/<epoch>.json` per change. */
export const Slots = z.object({
  model: ModelName,
  /** Grows by one with each change; a writer with an older one is refused. */
  epoch: z.int().positive(),
  champion: SlotVersion.nullable(),
  /**
   * Gets `share` of the traffic; 0 means loaded and ready, but not asked. `shadow` is the share of the champion's requests
   * that it answers too, for comparison only: nobody waits for it, and nobody gets its answer.
   */
  challenger: SlotVersion.extend({ share: Ratio, shadow: Ratio.optional() }).nullable(),
  previous: SlotVersion.nullable(),
  reason: z.string(),
  by: z.string(),
  /** Run id of the rollout that moved it; absent for a rollback, and before 0.2.0. */
  rollout: z.string().optional(),
  at: Instant,
});
export type Slots = z.infer<typeof Slots>;

/** `spent/<requestId>.json`: the one rollout that an approval carried. */
export const Spent = z.object({
  requestId: z.string(),
  model: ModelName,
  version: z.int().positive(),
  rollout: z.string(),
  epoch: z.int().positive(),
  at: Instant,
});
export type Spent = z.infer<typeof Spent>;

/** `shadow`: asked beside the version that answered, for comparison only; the row it is compared with has the same id. */
export const Route = z.enum(['champion', 'challenger', 'shadow']);
export type Route = z.infer<typeof Route>;

/** One row of the prediction log. Parquet: one column per input `in_<name>` and output `out_<name>`. */
export const PredictionRow = z.object({
  id: z.string(),
  /** When it happened: the request's `time` parameter, else when it was answered. */
  time: Instant,
  loggedAt: Instant,
  model: ModelName,
  version: z.int(),
  digest: Sha256,
  route: Route,
  epoch: z.int(),
  ms: z.number(),
  inputs: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /** First output: the probability, the prediction, or the class probabilities. */
  outputs: z.record(z.string(), z.union([z.number(), z.array(z.number())])),
});
export type PredictionRow = z.infer<typeof PredictionRow>;

/** A label, any time later. Parquet columns: `id`, `label` (VARCHAR), `time` (TIMESTAMP: when known). */
export const Label = z.object({
  id: z.string().min(1).max(200),
  label: z.union([z.number(), z.string(), z.boolean()]),
  time: Instant.optional(),
});
export type Label = z.infer<typeof Label>;

/** Cumulative since the replica loaded this version; sums are over rows that both versions scored. */
export const VersionCounters = z.object({
  version: z.int(),
  requests: z.int(),
  rows: z.int(),
  errors: z.int(),
  /** Requests by latency: counts of ≤ each of `latencyBoundsMs`, and one more for the rest. */
  latency: z.array(z.int()),
  agreement: z.object({
    n: z.int(),
    x: z.number(),
    y: z.number(),
    xx: z.number(),
    yy: z.number(),
    xy: z.number(),
    /** Rows on which both name the same class (multiclass). */
    same: z.int(),
  }),
});
export type VersionCounters = z.infer<typeof VersionCounters>;
export const latencyBoundsMs = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const;

/** A replica reports each second; silent for longer, it has ended, or cannot reach the store. */
export const replicaAliveMs = 10_000;

/** `replicas/<replica>.json`, rewritten each second. */
export const ReplicaStatus = z.object({
  replica: z.string(),
  /** Of the process that wrote this; two that bear one name are told apart by it. Absent before 0.4.0. */
  instance: z.string().optional(),
  url: z.string(),
  at: Instant,
  startedAt: Instant,
  /** Of its predictions, what is not in the store yet. Absent before 0.4.0. */
  log: z.object({ bytes: z.int(), lagSeconds: z.number(), dropped: z.int() }).optional(),
  models: z.record(
    ModelName,
    z.object({
      /** The slots epoch this replica acts on now. */
      epoch: z.int(),
      /** The newest that it has seen; absent before 0.4.0. */
      desired: z.int().optional(),
      /** When it took `epoch`. */
      since: Instant.optional(),
      loaded: z.array(z.int()),
      /** Versions it could not load, and why. */
      failed: z.array(z.object({ version: z.int(), epoch: z.int(), reason: z.string() })),
      counters: z.array(VersionCounters),
    }),
  ),
});
export type ReplicaStatus = z.infer<typeof ReplicaStatus>;
