/**
 * A process of its own, for nobody has vouched for the model yet, and it may be large: checks and packages a trainer's
 * model, and scores the first rows of a prepared part with it. The request comes on stdin.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { Task } from '../../contracts/project.ts';
import { Signature } from '../../contracts/serving.ts';
import { FeatureLayout } from '../../contracts/trainer.ts';
import { openSession } from '../../infra/onnx/session.ts';
import { chunkFeeds, inOrder } from './feeds.ts';
import { packageModel } from './package-model.ts';
import { openRows } from './rows.ts';

const Request = z.object({
  model: z.string(),
  transform: z.string(),
  /** Where the package goes. */
  packaged: z.string(),
  part: z.string(),
  rows: z.int().positive(),
  plan: z.object({ layout: FeatureLayout, signature: Signature, task: Task }),
  spillDir: z.string(),
});

const request = Request.parse(JSON.parse(await text(process.stdin)));
const model = await readFile(request.model);
const { faults, packaged } = packageModel(request.plan, await readFile(request.transform), model);
if (packaged) {
  await writeFile(request.packaged, packaged);
  process.stdout.write(`${JSON.stringify({ outputs: await score(request) })}\n`);
} else process.stdout.write(`${JSON.stringify({ faults })}\n`);

/** @returns the model's answers, FP32 in base64 */
async function score({ plan: { layout }, part, rows, spillDir }: z.infer<typeof Request>): Promise<string> {
  const reader = await openRows(layout, spillDir);
  const set = await reader.read(part);
  await reader.close();
  const session = await openSession(model);
  const until = Math.min(rows, set.rows);
  const {
    label: _label,
    weight: _weight,
    ...feeds
  } = chunkFeeds(set, inOrder(set.rows), 0, until, { mean: 0, spread: 1 });
  const result = await session.run(feeds, ['output']);
  const values = result['output']!.data as Float32Array;
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}
