/**
 * A version in memory: opened from verified bytes, proved on its golden batch, counted while in use, and released
 * only when the last request that holds it is done ("Session already disposed" otherwise).
 */
import { permanent } from '../contracts/failures.ts';
import { Golden, Package } from '../contracts/serving.ts';
import type { Slots } from '../contracts/serving.ts';
import { ModelFault, openChecked } from '../infra/onnx/open.ts';
import { readJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { Counters } from './counters.ts';
import { Lane } from './lane.ts';
import type { Run } from './lane.ts';

export interface LoadedVersion {
  version: number;
  /** Of the package: what an approval was bound to. */
  digest: string;
  package: Package;
  lane: Lane;
  counters: Counters;
  /** Runs `use` while the session is kept open. */
  hold<T>(use: () => Promise<T>): Promise<T>;
  /** Closes the session once nobody holds it. To be called once, when no new request can find it. */
  retire(): Promise<void>;
}

type SlotVersion = NonNullable<Slots['champion']>;

/** @throws DigestMismatch, NotFound, ModelRefused, GoldenMismatch (permanent), and what the store throws */
export async function loadVersion(store: Store, slot: SlotVersion): Promise<LoadedVersion> {
  const found = await readJsonBlob(store, slot.package, Package);
  const golden = await readJsonBlob(store, found.golden, Golden);
  const { model } = await openChecked(await store.localPath(found.onnx), found.signature).catch(
    refused(found),
  );
  try {
    await prove(model.run, golden, found.signature.outputs[0]!.name);
  } catch (error) {
    await model.close();
    return refused(found)(error);
  }
  return counted(slot, found, model.run, model.close);
}

function refused({ onnx: { uri } }: Package): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ModelFault)) throw error;
    throw permanent('ModelRefused', `the model is refused: ${error.message}`, { uri });
  };
}

/** The whole batch as one run, and its first row alone: batching must not change an answer. */
async function prove(run: Run, golden: Golden, output: string): Promise<void> {
  compare(golden, (await run(golden.inputs))[output]!);
  const alone = Object.fromEntries(
    Object.entries(golden.inputs).map(([name, values]) => [name, values.slice(0, 1)]),
  );
  compare(golden, (await run(alone))[output]!);
}

function compare({ outputs, rows, tolerance }: Golden, actual: Float32Array): void {
  const width = outputs.length / rows;
  for (const [at, value] of actual.entries()) {
    const expected = outputs[at]!;
    if (Math.abs(value - expected) <= tolerance) continue;
    const row = Math.floor(at / width);
    const message = `golden row ${row} gives ${value}, evaluate had ${expected}`;
    throw permanent('GoldenMismatch', message, { row, expected, actual: value });
  }
}

function counted(slot: SlotVersion, found: Package, run: Run, close: () => Promise<void>): LoadedVersion {
  let holders = 0;
  let drained: (() => void) | undefined;
  return {
    version: slot.version,
    digest: slot.package.sha256,
    package: found,
    lane: new Lane(run),
    counters: new Counters(slot.version),
    async hold(use) {
      holders++;
      try {
        return await use();
      } finally {
        holders--;
        if (holders === 0) drained?.();
      }
    },
    async retire() {
      if (holders > 0) await new Promise<void>((resolve) => (drained = resolve));
      await close();
    },
  };
}
