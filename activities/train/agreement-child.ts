/** A process of its own: the first rows of a prepared part through a trainer's model. The request comes on stdin. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { FeatureLayout } from '../../contracts/trainer.ts';
import { openSession } from '../../infra/onnx/session.ts';
import { chunkFeeds, inOrder } from './feeds.ts';
import { openRows } from './rows.ts';

const Request = z.object({
  model: z.string(),
  part: z.string(),
  rows: z.int().positive(),
  layout: FeatureLayout,
  spillDir: z.string(),
});

const { model, part, rows, layout, spillDir } = Request.parse(JSON.parse(await text(process.stdin)));
const reader = await openRows(layout, spillDir);
const set = await reader.read(part);
await reader.close();
const session = await openSession(await readFile(model));
const until = Math.min(rows, set.rows);
const {
  label: _label,
  weight: _weight,
  ...feeds
} = chunkFeeds(set, inOrder(set.rows), 0, until, { mean: 0, spread: 1 });
const result = await session.run(feeds, ['output']);
const values = result['output']!.data as Float32Array;
const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
process.stdout.write(`${JSON.stringify({ outputs: bytes.toString('base64') })}\n`);
