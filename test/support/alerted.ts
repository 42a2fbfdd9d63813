/** Model `m` serves, and its ticks find what a test says: real book, real deliveries, a real store and a receiver. */
import { createAlerts } from '../../activities/alerts/index.ts';
import type { AlertDeps } from '../../activities/alerts/index.ts';
import type { AllActivities } from '../../contracts/activities.ts';
import type { AlertRecord, Book } from '../../contracts/alerts.ts';
import type { Alert, AlertKind } from '../../contracts/alert.ts';
import type { MonitorOutcome } from '../../contracts/monitor.ts';
import type { Project } from '../../contracts/project.ts';
import { alertsWorkflowId, taskQueues } from '../../contracts/search.ts';
import { sendMail } from '../../infra/mail.ts';
import { postTo } from '../../infra/outgoing.ts';
import { booksOf } from '../../infra/alert-books.ts';
import { alertNamed } from '../../client/alerts.ts';
import { alertsQuery } from '../../workflows/messages.ts';
import type { z } from 'zod';
import { openReceiver } from './receiver.ts';
import type { Receiver } from './receiver.ts';
import { dayWindow, serve, served } from './served.ts';
import { openBench } from './stage.ts';
import type { Bench } from './stage.ts';
import { artifact, openWorld } from './world.ts';
import type { World } from './world.ts';
import { until } from './until.ts';

type Settings = NonNullable<z.input<typeof Project>['alerts']>;
type Told = Pick<Alert, 'kind' | 'key' | 'message' | 'severity'>;

export interface Alerted {
  world: World;
  bench: Bench;
  receiver: Receiver;
  deps: AlertDeps;
  secrets: Record<string, string>;
  logged: string[];
  /** With a worker up. @param change activities of the test's own */
  withWorker(act: () => Promise<void>, change?: Partial<AllActivities>): Promise<void>;
  /** A tick of February's day `n` that finds these, and judges all kinds unless told otherwise. */
  tick(n: number, alerts?: Told[], judged?: AlertKind[]): Promise<MonitorOutcome>;
  book(): Promise<Book>;
  record(name: number | string): Promise<AlertRecord>;
  /** Until no delivery is under way. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

export const drift = (column: string, change: Partial<Told> = {}): Told => ({
  ...{ kind: 'drift' as const, key: `drift/${column}`, message: `${column} has drifted` },
  ...change,
});

/** @param settings of the project's `alerts`; `RECEIVER` in an address stands for the receiver's */
export async function openAlerted(settings: Settings, monitor: object = {}): Promise<Alerted> {
  const [world, bench, receiver] = await Promise.all([openWorld(), openBench(), openReceiver()]);
  const located = (value: object) =>
    JSON.parse(JSON.stringify(value).replaceAll('RECEIVER', receiver.url)) as object;
  await serve(bench, {
    ...served,
    alerts: located(settings),
    monitor: { ...served.monitor, ...located(monitor) },
  });
  const secrets: Record<string, string> = {};
  const logged: string[] = [];
  const deps: AlertDeps = {
    store: bench.store,
    log: { warn: (_, message) => void logged.push(message) },
    books: booksOf(world.env.client),
    outgoing: { post: postTo, mail: sendMail, secret: (name) => Promise.resolve(secrets[name]) },
  };
  let looked: { alerts: Told[]; judged: AlertKind[] };
  const { client } = world.env;
  return {
    ...{ world, bench, receiver, deps, secrets, logged },
    withWorker: (act, change = {}) =>
      world.withWorker(
        {
          ...world.agreeable(),
          ...createAlerts(deps),
          monitor: async ({ window }) => ({
            ...{ record: artifact, tick: window.until.replaceAll(/[:.]/g, '-'), window },
            ...{ version: 1, rows: 10, worstPsi: null, ...looked },
          }),
          ...change,
        },
        act,
      ),
    async tick(n, alerts = [], judged = ['drift', 'prediction', 'quality', 'silence']) {
      looked = { alerts, judged };
      const window = dayWindow(`2001-02-${String(n).padStart(2, '0')}`);
      return client.workflow.execute('monitor', {
        ...{ workflowId: `monitor/m/${window.until}/${crypto.randomUUID()}`, taskQueue: taskQueues.cpu },
        args: [{ model: 'm', everyMs: 86_400_000, window }],
      });
    },
    book: () => client.workflow.getHandle(alertsWorkflowId('m')).query(alertsQuery),
    record: (name) => alertNamed(bench.store, 'm', name),
    quiet: () =>
      until(async () => {
        const running = `WorkflowType = 'delivery' AND ExecutionStatus = 'Running'`;
        return (await client.workflow.count(running)).count === 0;
      }),
    async close() {
      await world.close();
      await bench.close();
      await receiver.close();
    },
  };
}
