/**
 * The `cpu` worker: every workflow, and every stage that needs no GPU. `workers/gpu.ts` is its twin.
 *
 * This file only wires. With `base.ts` it is the one place that reads the environment and builds the real
 * dependencies; whatever it builds, it also closes.
 */
import { join } from 'node:path';
import { createCpuActivities } from '../activities/index.ts';
import { booksOf } from '../infra/alert-books.ts';
import { readConfig } from '../infra/config.ts';
import { openDuckDb } from '../infra/duckdb.ts';
import { postJson } from '../infra/http.ts';
import { sendMail } from '../infra/mail.ts';
import { score } from '../infra/onnx/score.ts';
import { openStore } from '../infra/store/open.ts';
import { postTo } from '../infra/outgoing.ts';
import { revive } from '../infra/revive.ts';
import { connect, findLifecycle, modelsOf, pollersOf, scheduleMonitor } from '../infra/temporal.ts';
import { secretNamed } from '../infra/secrets.ts';
import { workflowBundle } from '../infra/workflow-bundle.ts';
import { openBase } from './base.ts';
import { createWorkers } from './queues.ts';
import { cpuSettings, reviveMs } from './settings.ts';

const config = readConfig();
const { log, connection, tracking, lineage, outermost, secrets, training, close } = await openBase(
  config,
  'cpu',
);
const client = await connect(config);
const lateAlias = (error: unknown) => log.warn({ err: error }, 'MLflow hears of the slots with the next run');
try {
  const workers = await createWorkers({
    connection,
    namespace: config.temporal.namespace,
    workflowBundle: await workflowBundle(config.cacheHome),
    activities: createCpuActivities({
      ...training,
      ...{ log, tracking, lineage, score },
      onSlots: (model) => void tracking.trackAliases({ model }).catch(lateAlias),
      openDuckDb: (spillDir) => openDuckDb({ ...config.duckdb, spillDir }),
      openPlace: (uri, options) =>
        openStore(uri, { cacheDir: join(config.cacheHome, 'artifacts'), ...options }),
      models: modelsOf(client),
      schedule: (model, everyMs) => scheduleMonitor(client, model, everyMs),
      findLifecycle: (workflowId) => findLifecycle(client, workflowId),
      post: postJson,
      books: booksOf(client),
      outgoing: {
        post: (url, body, headers) => postTo(url, body, headers, config.alertAllow),
        mail: sendMail,
        secret: (name) => secretNamed(secrets, name),
      },
      pollers: (queue) => pollersOf(client, queue),
    }),
    interceptors: { activity: [...outermost, ...cpuSettings.interceptors.activity] },
  });
  const looks = setInterval(() => {
    revive(client, log).catch((error: unknown) =>
      log.warn({ err: error }, 'nobody was looked after this time'),
    );
  }, reviveMs);
  // Until SIGTERM, and until running activities have ended.
  await Promise.all(workers.map((worker) => worker.run())).finally(() => clearInterval(looks));
} finally {
  await client.connection.close();
  await close();
}
