/**
 * A version in memory: opened from verified bytes, proved on its golden batch, counted while in use, and released
 * only when the last request that holds it is done ("Session already disposed" otherwise).
 */
import { permanent } from '../contracts/failures.ts';
import { Golden, Package } from '../contracts/serving.ts';
import type { Ports, Slots, TensorSpec } from '../contracts/serving.ts';
import { ModelFault } from '../infra/onnx/open.ts';
import type { ServingSettings } from '../infra/config-serving.ts';
import type { Feed } from '../infra/onnx/session.ts';
import { readJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { Counters } from './counters.ts';
import { columnOf, compileDecoder } from './decoder.ts';
import type { Column, Decoder } from './decoder.ts';
import type { NanPolicy } from './encoder.ts';
import { defaultLimits, Lane } from './lane.ts';
import type { LaneLimits, Run } from './lane.ts';
import { compileBlock, loggedInputs } from './block.ts';
import type { Privacy, WriteBlock } from './block.ts';
import { OneThread } from './one-thread.ts';
import { openFast } from './opened.ts';
import type { Opened } from './opened.ts';
import { gather } from './rows.ts';
import { StageTimes } from './stage-times.ts';

export interface LoadedVersion {
  model: string;
  version: number;
  /** Of the package: what an approval was bound to. */
  digest: string;
  signature: Ports;
  /** Share of requests that are logged, 1 for all. */
  logged: number;
  nan: NanPolicy;
  decode: Decoder;
  /** The inputs, as the decoder looks at them. */
  columns: readonly Column[];
  /** Into the prediction log. */
  write: WriteBlock;
  /** The log's columns: without what is left out, hashes as text. */
  loggedInputs: readonly TensorSpec[];
  lane: Lane;
  counters: Counters;
  times: StageTimes;
  /** Why it cannot answer just now, though it is loaded. */
  fault(): string | undefined;
  /** Keeps the session open, until it is let go as often. */
  hold(): void;
  letGo(): void;
  /** Closes the session once nobody holds it. To be called once, when no new request can find it. */
  retire(): Promise<void>;
}

export interface LoadSettings {
  limits: LaneLimits;
  nan: NanPolicy;
  /** Whose key makes a hash of a column that tells of a person. */
  privacyKey: string | undefined;
  /** Shared by all models that are light enough. */
  thread: OneThread;
}

/** Of one process: its models share a thread. */
export function loadSettings({ queue, nan, piiKey }: ServingSettings): LoadSettings {
  const limits = { ...defaultLimits, queueRows: queue.rows, queueMs: queue.ms };
  return { limits, nan, privacyKey: piiKey, thread: new OneThread() };
}

/** Of the batch by which it is told whether a model is heavy: a fuller one holds others up for as long as a large request. */
const measuredRows = 64;

type SlotVersion = NonNullable<Slots['champion']>;

/**
 * @param onFault is told when it fails after it was loaded
 * @throws DigestMismatch, NotFound, ModelRefused, GoldenMismatch (permanent), and what the store throws
 */
export async function loadVersion(
  store: Store,
  slot: SlotVersion,
  settings: LoadSettings,
  onFault: (error: unknown) => void,
): Promise<LoadedVersion> {
  const found = await readJsonBlob(store, slot.package, Package);
  const golden = await readJsonBlob(store, found.golden, Golden);
  const { signature, log } = found;
  const privacy = privacyOf(found, settings.privacyKey);
  const copies = Math.max(1, Math.floor(measuredRows / golden.rows));
  const opened = await openFast({
    ...{ signature, thread: settings.thread, onFault },
    path: () => store.localPath(found.onnx),
    full: goldenFeeds(golden, signature, golden.rows, copies),
    prove: (run) => prove(run, golden, signature),
  }).catch(refused(found));
  return counted(opened, {
    ...{ model: found.model, version: slot.version, digest: slot.package.sha256 },
    ...{ signature, logged: log?.sample ?? 1, nan: settings.nan },
    ...{ privacy, limits: settings.limits },
  });
}

function refused({ onnx: { uri } }: Package): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ModelFault)) throw error;
    throw permanent('ModelRefused', `the model is refused: ${error.message}`, { uri });
  };
}

/** @throws ModelRefused when a column is to be hashed, and there is no key to do it with */
function privacyOf({ log, onnx }: Package, key: string | undefined): Map<string, Privacy> {
  const entries = Object.entries(log?.pii ?? {}).map(([name, as]): [string, Privacy] => {
    if (as === 'omit') return [name, { as }];
    if (key !== undefined) return [name, { as, key }];
    const message = `column ${name} is to be logged as a hash, and this server has no ESTEIRA_PII_KEY`;
    throw permanent('ModelRefused', message, { uri: onnx.uri });
  });
  return new Map(entries);
}

/** The whole batch as one run, and its first row alone: batching must not change an answer. */
async function prove(run: Run, golden: Golden, signature: Ports): Promise<void> {
  for (const rows of [golden.rows, 1]) {
    const [first] = await run(goldenFeeds(golden, signature, rows, 1));
    compare(golden, first!);
  }
}

function goldenFeeds({ inputs }: Golden, signature: Ports, rows: number, copies: number): Feed[] {
  return signature.inputs.map((spec) => {
    const elements = inputs[spec.name]?.slice(0, rows) ?? [];
    return gather(
      spec,
      Array.from({ length: copies }, () => ({ elements, dims: [elements.length] })),
      copies * elements.length,
    );
  });
}

function compare({ outputs, rows, tolerance }: Golden, { values }: Feed): void {
  const width = outputs.length / rows;
  for (const [at, value] of values.entries()) {
    const expected = outputs[at]!;
    const actual = Number(value);
    if (Math.abs(actual - expected) <= tolerance) continue;
    const row = Math.floor(at / width);
    const message = `golden row ${row} gives ${actual}, evaluate had ${expected}`;
    throw permanent('GoldenMismatch', message, { row, expected, actual });
  }
}

interface Known extends Pick<LoadedVersion, 'model' | 'version' | 'digest' | 'signature' | 'logged' | 'nan'> {
  limits: LaneLimits;
  privacy: ReadonlyMap<string, Privacy>;
}

export function counted({ run, close, fault = () => undefined }: Opened, known: Known): LoadedVersion {
  const { limits, privacy, ...rest } = known;
  const { signature, version } = rest;
  let holders = 0;
  let drained: (() => void) | undefined;
  return {
    ...rest,
    decode: compileDecoder(signature),
    columns: signature.inputs.map(columnOf),
    write: compileBlock(signature, privacy),
    loggedInputs: loggedInputs(signature, privacy),
    lane: new Lane(run, signature, limits),
    counters: new Counters(version),
    times: new StageTimes(),
    fault,
    hold() {
      holders++;
    },
    letGo() {
      holders--;
      if (holders === 0) drained?.();
    },
    async retire() {
      if (holders > 0) await new Promise<void>((resolve) => (drained = resolve));
      await close();
    },
  };
}
