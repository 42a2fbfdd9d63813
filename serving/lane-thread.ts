/** The thread of a heavy model: opens the file it is given, and runs what it is sent. Started by `threaded.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Ports } from '../contracts/serving.ts';
import { openChecked } from '../infra/onnx/open.ts';
import type { Feed } from '../infra/onnx/session.ts';

const { path, signature } = workerData as { path: string; signature: Ports };
const { model } = await openChecked(path, signature);

parentPort!.on('message', (feeds: Feed[]) => {
  model.infer(feeds).then(
    (outputs) => parentPort!.postMessage({ outputs }),
    (error: unknown) =>
      parentPort!.postMessage({ fault: error instanceof Error ? error.message : String(error) }),
  );
});
parentPort!.postMessage({ ready: true });
