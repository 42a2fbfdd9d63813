/** `/metrics` in Prometheus' text format 0.0.4. */
import { latencyBoundsMs } from '../contracts/serving.ts';
import { family, header } from '../infra/exposition.ts';
import type { Sample } from '../infra/exposition.ts';
import type { Catalogue } from './catalogue.ts';
import type { LoadedVersion } from './loaded-version.ts';
import type { Rejects } from './rejects.ts';
import type { Replica } from './replica.ts';
import type { Shipper } from './shipper.ts';

/** Of a replica: its models, and its log. */
export function metricsText(replica: Replica, shipper: Shipper, rejects: Rejects): string {
  const oldest = shipper.waitingSince;
  const own = [
    ...family(
      'esteira_serving_journals_waiting',
      'gauge',
      'Journals with rows not yet in the store, open ones included; at 0 all that was answered is there',
      [['', shipper.waiting + replica.openJournals]],
    ),
    ...family('esteira_serving_log_bytes', 'gauge', 'Of the prediction log, on disk and not in the store', [
      ['', replica.logged],
    ]),
    ...family(
      'esteira_serving_log_lag_seconds',
      'gauge',
      'Since when the store has taken no complete journal',
      [['', oldest === undefined ? 0 : (Date.now() - oldest) / 1_000]],
    ),
    ...family(
      'esteira_serving_log_dropped_rows_total',
      'counter',
      'Rows of sampled logs that found no room',
      [['', replica.dropped]],
    ),
    ...family(
      'esteira_serving_epoch',
      'gauge',
      'Slots epoch this replica acts on',
      replica.hosts.map((host) => [`model="${host.name}"`, host.state.epoch]),
    ),
    ...family(
      'esteira_serving_epoch_desired',
      'gauge',
      'Slots epoch that the store has',
      replica.hosts.map((host) => [`model="${host.name}"`, host.desired]),
    ),
  ];
  return `${own.join('\n')}\n${modelMetrics(replica, rejects)}`;
}

export function modelMetrics(catalogue: Catalogue, rejects: Rejects): string {
  const counters = catalogue.hosts.flatMap((host) =>
    host.loaded.map((version) => ({
      labels: `model="${host.name}",version="${version.version}"`,
      version,
      value: version.counters.value,
    })),
  );
  const lines = [
    ...family('esteira_serving_ready', 'gauge', 'Whether every model has a version to serve', [
      ['', catalogue.ready ? 1 : 0],
    ]),
    ...family(
      'esteira_serving_rejects_total',
      'counter',
      'Requests answered with a no',
      [...rejects.counts].map(([reason, count]) => [`reason="${reason}"`, count]),
    ),
    ...family(
      'esteira_serving_rows_waiting',
      'gauge',
      'Rows in the queue of a version, those that run included',
      counters.map(({ labels, version }) => [labels, version.lane.waiting]),
    ),
  ];
  for (const [name, key, help] of [
    ['requests', 'requests', 'Requests that reached the version'],
    ['rows', 'rows', 'Rows predicted'],
    ['errors', 'errors', 'Requests the version failed'],
  ] as const) {
    const samples = counters.map(({ labels, value }): Sample => [labels, value[key]]);
    lines.push(...family(`esteira_serving_${name}_total`, 'counter', help, samples));
  }
  lines.push(...stageFamilies(counters));
  lines.push(...header('esteira_serving_latency_ms', 'histogram', 'Requests by milliseconds to the answer'));
  for (const { labels, value } of counters) lines.push(...histogram(labels, value.latency));
  return `${lines.join('\n')}\n`;
}

/** Sums, whose increase over that of the requests is what one of them spent there. */
function stageFamilies(counters: readonly { labels: string; version: LoadedVersion }[]): string[] {
  const stages = ['decode', 'queue', 'compute', 'encode'] as const;
  const seconds = counters.flatMap(({ labels, version: { times } }) =>
    stages.map((stage): Sample => [`${labels},stage="${stage}"`, times[`${stage}Ms`] / 1_000]),
  );
  const batched = counters.map(({ labels, version }): Sample => [labels, version.times.batchRows]);
  return [
    ...family(
      'esteira_serving_stage_seconds_total',
      'counter',
      'Time that requests spent in a stage',
      seconds,
    ),
    ...family(
      'esteira_serving_batch_rows_total',
      'counter',
      'Rows of the batch that each request was in: over the requests, how many ran together',
      batched,
    ),
  ];
}

/** Prometheus wants cumulative buckets; the sum is not counted, so it is left out. */
function histogram(labels: string, latency: readonly number[]): string[] {
  const name = 'esteira_serving_latency_ms';
  let below = 0;
  const buckets = latency.map((count, i) => {
    below += count;
    return `${name}_bucket{${labels},le="${latencyBoundsMs[i] ?? '+Inf'}"} ${below}`;
  });
  return [...buckets, `${name}_count{${labels}} ${below}`];
}
