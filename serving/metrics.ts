/** `/metrics` in Prometheus' text format 0.0.4. */
import { latencyBoundsMs } from '../contracts/serving.ts';
import type { Replica } from './replica.ts';

/** @param waiting complete journals that are not in the store yet */
export function metricsText(replica: Replica, waiting: number): string {
  const lines = [
    ...family('esteira_serving_ready', 'gauge', 'Whether every model has a version to serve', [
      ['', replica.ready ? 1 : 0],
    ]),
    ...family(
      'esteira_serving_journals_waiting',
      'gauge',
      'Journals with rows not yet in the store, open ones included; at 0 all that was answered is there',
      [['', waiting + replica.openJournals]],
    ),
    ...family(
      'esteira_serving_epoch',
      'gauge',
      'Slots epoch this replica acts on',
      replica.hosts.map((host) => [`model="${host.name}"`, host.state.epoch]),
    ),
  ];
  const counters = replica.hosts.flatMap((host) =>
    host.loaded.map(({ counters: { value } }) => ({
      labels: `model="${host.name}",version="${value.version}"`,
      value,
    })),
  );
  for (const [name, key, help] of [
    ['requests', 'requests', 'Requests that reached the version'],
    ['rows', 'rows', 'Rows predicted'],
    ['errors', 'errors', 'Requests the version failed'],
  ] as const) {
    const samples = counters.map(({ labels, value }): Sample => [labels, value[key]]);
    lines.push(...family(`esteira_serving_${name}_total`, 'counter', help, samples));
  }
  lines.push(...header('esteira_serving_latency_ms', 'histogram', 'Requests by milliseconds to the answer'));
  for (const { labels, value } of counters) lines.push(...histogram(labels, value.latency));
  return `${lines.join('\n')}\n`;
}

type Sample = [labels: string, value: number];

function family(name: string, type: string, help: string, samples: Sample[]): string[] {
  return [
    ...header(name, type, help),
    ...samples.map(([labels, value]) => `${name}${labels ? `{${labels}}` : ''} ${value}`),
  ];
}

function header(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
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
