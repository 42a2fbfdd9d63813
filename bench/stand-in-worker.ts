/** A worker with our settings whose activities do nothing: `stand-in-worker.ts <address>`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { cpuSettings } from '../workers/settings.ts';

const logger = new DefaultLogger('WARN');
Runtime.install({ logger });
const connection = await NativeConnection.connect({ address: process.argv.at(-1)! });
const worker = await Worker.create({
  ...cpuSettings,
  connection,
  taskQueue: 'bench',
  workflowBundle: await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    logger,
  }),
  activities: {
    nothing: async () => {},
    async nap(ms: number) {
      console.log(JSON.stringify({ event: 'napping' }));
      await sleep(ms);
    },
  },
});
const running = worker.run();
console.log(JSON.stringify({ event: 'ready' }));
await running;
await connection.close();
