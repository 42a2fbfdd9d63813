/**
 * The `gpu` worker: training on a device. One activity slot, so that two runs never share it.
 *
 * This file only wires; see `workers/cpu.ts`.
 */
import { join } from 'node:path';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createGpuActivities } from '../activities/index.ts';
import { sweepWorkFolders } from '../activities/work-folder.ts';
import { taskQueues } from '../contracts/search.ts';
import { forkModule } from '../infra/child.ts';
import { readConfig } from '../infra/config.ts';
import { heartbeats } from '../infra/heartbeat.ts';
import { payloadBounds } from '../infra/payload-bounds.ts';
import { createLogger, temporalLogger } from '../infra/log.ts';
import { openStore } from '../infra/store/open.ts';

const config = readConfig();
const log = createLogger(config, { worker: 'gpu' });
Runtime.install({ logger: temporalLogger(log) });
const connection = await NativeConnection.connect(config.temporal.connection);
const workDir = join(config.home, 'work');
await sweepWorkFolders(workDir);
const store = await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') });
await store
  .sweep()
  .catch((error: unknown) =>
    log.warn({ err: error }, 'what killed processes left in the store lies there still'),
  );
try {
  const worker = await Worker.create({
    connection,
    namespace: config.temporal.namespace,
    taskQueue: taskQueues.gpu,
    activities: createGpuActivities({ store, workDir, forkModule }),
    interceptors: { activity: [heartbeats, payloadBounds] },
    maxConcurrentActivityTaskExecutions: 1,
    maxHeartbeatThrottleInterval: '2 seconds', // an answer may say "cancelled"; the usual is 8 s of our 10
    shutdownGraceTime: '20 seconds',
  });
  await worker.run();
} finally {
  await store.close();
  await connection.close();
}
