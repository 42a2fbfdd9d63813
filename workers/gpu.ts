/**
 * The `gpu` worker: training on the devices of this machine, one activity slot a device. A training leases the devices
 * it asks for, so that two never share one.
 *
 * This file only wires; see `workers/cpu.ts`.
 */
import { join } from 'node:path';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createGpuActivities } from '../activities/index.ts';
import { createTrack } from '../activities/track/index.ts';
import { sweepWorkFolders } from '../activities/work-folder.ts';
import { taskQueues } from '../contracts/search.ts';
import { forkModule } from '../infra/child.ts';
import { ConfigError, readConfig } from '../infra/config.ts';
import { deviceUse, findDevices, leaseDevices } from '../infra/devices.ts';
import { createLogger, temporalLogger } from '../infra/log.ts';
import { Mlflow } from '../infra/mlflow.ts';
import { pythonEnvironment } from '../infra/python-environment.ts';
import { openStore } from '../infra/store/open.ts';
import { livingWorkers, registerWorker } from '../infra/worker-registry.ts';
import { environmentOf } from './tracking.ts';
import { gpuSettings } from './settings.ts';

const config = readConfig();
const devices = await findDevices(config.gpus);
if (devices.length === 0) {
  throw new ConfigError(
    'This machine has no GPU that nvidia-smi knows; install the driver, or name devices by ESTEIRA_GPUS=0,1.',
  );
}
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
const { costPerHour } = config;
const unregister = await registerWorker(
  store,
  { queue: taskQueues.gpu, devices, costPerHour: costPerHour ?? null },
  (error) => log.warn({ err: error }, 'the store does not hear that this worker lives'),
);
log.info({ devices }, `training on ${devices.length} devices`);
const mlflow = config.mlflow && new Mlflow(config.mlflow);
const tracking = createTrack({ store, mlflow, log });
/** Other trainings go on elsewhere from their checkpoints; a successor counts anew what there is. */
const onLost = (why: string) => {
  log.error({ devices }, `${why}; this worker ends`);
  process.exitCode = 1;
  worker.shutdown();
};
let worker: Worker;
try {
  worker = await Worker.create({
    connection,
    namespace: config.temporal.namespace,
    taskQueue: taskQueues.gpu,
    activities: createGpuActivities({
      ...{ store, workDir, costPerHour, forkModule },
      pythonEnvironment: (order, say, signal) => pythonEnvironment(config.cacheHome, order, say, signal),
      trackingEnvironment: environmentOf(tracking, config.mlflow),
      devices: {
        ...leaseDevices(devices),
        use: deviceUse,
        most: async () =>
          Math.max(devices.length, ...(await livingWorkers(store)).map((one) => one.devices.length)),
        lost: onLost,
      },
    }),
    maxConcurrentActivityTaskExecutions: devices.length,
    ...gpuSettings,
  });
  await worker.run();
} finally {
  await unregister();
  await store.close();
  await connection.close();
}
