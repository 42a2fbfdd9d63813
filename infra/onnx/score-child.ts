/** The child of score.ts: one request on standard input, one line on standard output. */
import { readFileSync } from 'node:fs';
import { ModelFault, openChecked } from './open.ts';
import type { ScoreReply, ScoreRequest } from './score-protocol.ts';

const { path, signature, columns } = JSON.parse(readFileSync(0, 'utf8')) as ScoreRequest;
console.log(JSON.stringify(await reply()));

async function reply(): Promise<ScoreReply> {
  try {
    const { model } = await openChecked(path, signature);
    const values = (await model.run(columns))[signature.outputs[0]!.name]!;
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    return { event: 'scored', outputs: bytes.toString('base64') };
  } catch (error) {
    if (!(error instanceof ModelFault)) throw error;
    return { event: 'refused', reason: error.message.slice(0, 2_000) };
  }
}
