/** What both workers stand on: opened from the environment, in the order in which it depends on each other. */
import { join } from 'node:path';
import { NativeConnection, Runtime } from '@temporalio/worker';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { TrainDeps } from '../activities/train/index.ts';
import { createLineage } from '../activities/lineage/index.ts';
import type { Lineage } from '../activities/lineage/index.ts';
import { createTrack } from '../activities/track/index.ts';
import type { Track } from '../activities/track/index.ts';
import { sweepWorkFolders } from '../activities/work-folder.ts';
import { forkModule } from '../infra/child.ts';
import { takeSecrets } from '../infra/config.ts';
import type { Config, TakenSecrets } from '../infra/config.ts';
import { createLogger, temporalLogger } from '../infra/log.ts';
import { Mlflow } from '../infra/mlflow.ts';
import { openLineageReceiver } from '../infra/openlineage.ts';
import { pythonEnvironment } from '../infra/python-environment.ts';
import { openStore } from '../infra/store/open.ts';
import { version } from '../infra/version.ts';
import { lineageInterceptor } from './lineage.ts';
import { environmentOf } from './tracking.ts';

export interface Base {
  log: ReturnType<typeof createLogger>;
  connection: NativeConnection;
  tracking: Track;
  /** Undefined when nobody is told. */
  lineage: Lineage | undefined;
  /** To go around all other interceptors. */
  outermost: ActivityInterceptorsFactory[];
  /** Taken from the environment before anything is started. */
  secrets: TakenSecrets;
  /** The store and the work folder among it, swept of what killed processes left. */
  training: Omit<TrainDeps, 'devices'>;
  close(): Promise<void>;
}

export async function openBase(config: Config, worker: 'cpu' | 'gpu'): Promise<Base> {
  const secrets = takeSecrets();
  const log = createLogger(config, { worker });
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
  const mlflow = config.mlflow && new Mlflow(config.mlflow);
  const tracking = createTrack({ store, mlflow, log });
  const receiver = config.lineage && openLineageReceiver(config.lineage, log);
  const lineage = receiver && createLineage({ store, receiver, version });
  return {
    ...{ log, connection, tracking, secrets, lineage },
    outermost: lineage ? [lineageInterceptor(lineage)] : [],
    training: {
      ...{ store, workDir, forkModule, costPerHour: config.costPerHour },
      pythonEnvironment: (order, say, signal) => pythonEnvironment(config.cacheHome, order, say, signal),
      trackingEnvironment: environmentOf(tracking, config.mlflow),
    },
    async close() {
      await receiver?.close();
      await store.close();
      await connection.close();
    },
  };
}
