/** The thread of a heavy model: opens the file it is given, and runs what it is sent. Started by `threaded.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Ports } from '../contracts/serving.ts';
import { failpoint } from '../infra/failpoint.ts';
import { openChecked } from '../infra/onnx/open.ts';
import type { Feed } from '../infra/onnx/session.ts';

const { path, signature } = workerData as { path: string; signature: Ports };
const { model } = await openChecked(path, signature);

/** What the model says no to is answered; whatever else goes wrong ends the thread. */
async function answer(feeds: Feed[]): Promise<void> {
  await failpoint('serving:thread');
  const message = await model.infer(feeds).then(
    (outputs) => ({ outputs }),
    (error: unknown) => ({ fault: error instanceof Error ? error.message : String(error) }),
  );
  parentPort!.postMessage(message);
}

parentPort!.on('message', (feeds: Feed[]) => void answer(feeds));
parentPort!.postMessage({ ready: true });
