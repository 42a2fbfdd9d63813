/**
 * The `gpu` worker: training on the devices of this machine, one activity slot a device. A training leases the devices
 * it asks for, so that two never share one.
 *
 * This file only wires; see `workers/cpu.ts`.
 */
import { Worker } from '@temporalio/worker';
import { createGpuActivities } from '../activities/index.ts';
import { taskQueues } from '../contracts/search.ts';
import { ConfigError, readConfig } from '../infra/config.ts';
import { deviceUse, findDevices, leaseDevices } from '../infra/devices.ts';
import { livingWorkers, registerWorker } from '../infra/worker-registry.ts';
import { openBase } from './base.ts';
import { gpuSettings } from './settings.ts';

const config = readConfig();
const devices = await findDevices(config.gpus);
if (devices.length === 0) {
  throw new ConfigError(
    'This machine has no GPU that nvidia-smi knows; install the driver, or name devices by ESTEIRA_GPUS=0,1.',
  );
}
const { log, connection, outermost, training, close } = await openBase(config, 'gpu');
const { store } = training;
const unregister = await registerWorker(
  store,
  { queue: taskQueues.gpu, devices, costPerHour: config.costPerHour ?? null },
  (error) => log.warn({ err: error }, 'the store does not hear that this worker lives'),
);
log.info({ devices }, `training on ${devices.length} devices`);
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
      ...training,
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
    interceptors: { activity: [...outermost, ...gpuSettings.interceptors.activity] },
  });
  await worker.run();
} finally {
  await unregister();
  await close();
}
