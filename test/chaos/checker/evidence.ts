/**
 * All that is left of a run, as plain data: what the checker may look at, and nothing else. It can be cloned, changed
 * by hand and judged again, which is how the checker itself is tested.
 *
 * Rows, logs and blobs are read in streams; what is kept of them here is a few hundred bytes each.
 */
import type { Acknowledged, Disturbance } from './acknowledged.ts';

export interface Evidence {
  gatheredAt: string;
  /** When the server was asked, and all that runs should have come to rest. */
  askedAt: string;
  /** Workers and replicas were ended in order before the look: nothing of theirs may be left. */
  stopped: boolean;
  /** Small named objects of the store, by key: everything but blobs, data sets and Parquet. */
  objects: Record<string, unknown>;
  /** Keys of objects that are not JSON, and why. */
  unreadable: { key: string; why: string }[];
  /** Every blob by its key, with the digest that its bytes have now. */
  blobs: Record<string, { sha256: string; bytes: number }>;
  /** JSON blobs below 256 KiB by their digest: packages, pinned projects, manifests. */
  documents: Record<string, unknown>;
  predictions: Prediction[];
  labels: Label[];
  /** What was pushed to the gateway, by row, as those who read it find it. */
  landed: Landed[];
  replays: Replay[];
  runs: Run[];
  /** What model entities say of themselves (`describe`), by model; an error is its message. */
  entities: Record<string, Entity | { error: string }>;
  /** Log lines that tell of a late writer refused. */
  lateLines: string[];
  /** Where a canary was seen outside of histories: store key or file. */
  canariesSeen: { canary: string; where: string }[];
  left: Left;
  acknowledged: Acknowledged[];
  disturbances: Disturbance[];
  canaries: string[];
}

/** A row of the prediction log, or of a journal that is still on a disk. */
export interface Prediction {
  model: string;
  id: string;
  version: number;
  /** Of the package. */
  digest: string;
  route: string;
  epoch: number;
  time: string;
  loggedAt: string;
  ms: number;
  /** Digest of what was asked; the beginning of what was answered, as text. Absent in a journal: other types. */
  asked?: string;
  answered?: string;
  /** Store key, or path of the journal. */
  from: string;
}

export interface Label {
  model: string;
  id: string;
  from: string;
  /** Absent in a journal, as the time it is of. */
  label?: string;
  time?: string;
}

export interface Landed {
  source: string;
  /** Of the column `id`. */
  id: string;
  from: string;
}

export interface Run {
  workflowId: string;
  runId: string;
  type: string;
  /** Temporal's: `RUNNING`, `COMPLETED`, `FAILED`, `CANCELLED`, `TERMINATED`, `CONTINUED_AS_NEW`, `TIMED_OUT`. */
  status: string;
  startedAt: string;
  closedAt: string | null;
  /** As the server counts them. */
  length: number;
  bytes: number;
  events: Event[];
  pending: { activity: string; attempt: number; failure: string }[];
  /** Of the workflow task that is due or under way now; 0 if none is. */
  taskAttempt: number;
  memo: unknown;
  searchAttributes: unknown;
}

/** `type` as in `ActivityTaskCompleted`; payloads in `about` are decoded. */
export interface Event {
  id: number;
  at: string;
  type: string;
  about: Record<string, unknown>;
}

export interface Replay {
  workflowId: string;
  runId: string;
  /** Null: it replays. */
  error: string | null;
}

/** The part of `ModelDescription` that is judged. */
export interface Entity {
  inFlight: { lifecycleId: string } | null;
  pending: { trigger: { at: string; reason: string } } | null;
  waitUntil?: string | undefined;
  slots: { epoch: number } | null;
  rollout: { version: number; lifecycleId: string } | null;
  waitsFor: string;
}

/** What should be gone, by where it lies. */
export interface Left {
  work: string[];
  storeTemporary: string[];
  lockWaiters: string[];
  downloads: string[];
  serving: string[];
  /** Rows on their way to the store. */
  gateway: string[];
  journals: string[];
  processes: { pid: number; command: string }[];
  ports: number[];
  uploads: string[];
}
