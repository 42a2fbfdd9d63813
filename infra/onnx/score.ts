/** A few rows through a packaged model: golden batches, tests. Large data goes through a child process. */
import type { Signature } from '../../contracts/serving.ts';
import { openModel } from './session.ts';
import type { ColumnBatch } from './session.ts';

/** @returns the first output of the signature, row-major. */
export async function score(
  modelPath: string | Uint8Array,
  signature: Signature,
  columns: ColumnBatch,
): Promise<number[]> {
  const model = await openModel(modelPath, signature);
  try {
    const outputs = await model.run(columns);
    return Array.from(outputs[signature.outputs[0]!.name]!);
  } finally {
    await model.close();
  }
}
