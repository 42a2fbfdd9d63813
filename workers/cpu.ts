/**
 * The `cpu` worker: every workflow, and every stage that needs no GPU. `workers/gpu.ts` is its twin.
 *
 * This file only wires. It is the one place that reads the environment and builds the real
 * dependencies; whatever it builds, it also closes.
 */
import { join } from 'node:path';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createCpuActivities } from '../activities/index.ts';
import { createTrack } from '../activities/track/index.ts';
import { sweepWorkFolders } from '../activities/work-folder.ts';
import { taskQueues } from '../contracts/search.ts';
import { forkModule } from '../infra/child.ts';
import { readConfig } from '../infra/config.ts';
import { openDuckDb } from '../infra/duckdb.ts';
import { postJson } from '../infra/http.ts';
import { createLogger, temporalLogger } from '../infra/log.ts';
import { Mlflow } from '../infra/mlflow.ts';
import { score } from '../infra/onnx/score.ts';
import { revive } from '../infra/revive.ts';
import { pythonEnvironment } from '../infra/python-environment.ts';
import { openStore } from '../infra/store/open.ts';
import { connect, findLifecycle, modelsOf, pollersOf, scheduleMonitor } from '../infra/temporal.ts';
import { workflowBundle } from '../infra/workflow-bundle.ts';
import { environmentOf } from './tracking.ts';
import { cpuSettings, reviveMs } from './settings.ts';

const config = readConfig();
const log = createLogger(config, { worker: 'cpu' });
Runtime.install({ logger: temporalLogger(log) });
const connection = await NativeConnection.connect(config.temporal.connection);
const client = await connect(config);
const workDir = join(config.home, 'work');
await sweepWorkFolders(workDir);
const store = await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') });
await store
  .sweep()
  .catch((error: unknown) =>
    log.warn({ err: error }, 'what killed processes left in the store lies there still'),
  );
const lateAlias = (error: unknown) => log.warn({ err: error }, 'MLflow hears of the slots with the next run');
const mlflow = config.mlflow && new Mlflow(config.mlflow);
const tracking = createTrack({ store, mlflow, log });
try {
  const worker = await Worker.create({
    connection,
    namespace: config.temporal.namespace,
    taskQueue: taskQueues.cpu,
    workflowBundle: await workflowBundle(config.cacheHome),
    activities: createCpuActivities({
      store,
      log,
      workDir,
      pythonEnvironment: (order, say, signal) => pythonEnvironment(config.cacheHome, order, say, signal),
      costPerHour: config.costPerHour,
      tracking,
      trackingEnvironment: environmentOf(tracking, config.mlflow),
      onSlots: (model) => void tracking.trackAliases({ model }).catch(lateAlias),
      forkModule,
      openDuckDb: (spillDir) => openDuckDb({ ...config.duckdb, spillDir }),
      score,
      models: modelsOf(client),
      schedule: (model, everyMs) => scheduleMonitor(client, model, everyMs),
      findLifecycle: (workflowId) => findLifecycle(client, workflowId),
      post: postJson,
      pollers: (queue) => pollersOf(client, queue),
    }),
    ...cpuSettings,
  });
  const looks = setInterval(() => {
    revive(client, log).catch((error: unknown) =>
      log.warn({ err: error }, 'nobody was looked after this time'),
    );
  }, reviveMs);
  await worker.run().finally(() => clearInterval(looks)); // until SIGTERM, and until running activities have ended
} finally {
  await store.close();
  await client.connection.close();
  await connection.close();
}
