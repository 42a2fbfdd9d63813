/** A real Prometheus, where one is installed, that scrapes one address. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../infra/local.ts';
import { until } from './until.ts';

export interface Prometheus {
  /** @returns how many series it gives. @throws Error with what Prometheus says of a wrong one */
  series(query: string): Promise<number>;
  close(): Promise<void>;
}

/** Undefined, or why there is none. */
export function noPrometheus(): string | undefined {
  try {
    execFileSync('prometheus', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch (error) {
    return `Prometheus is not installed: ${(error as Error).message}`;
  }
}

/** @param target such as `http://127.0.0.1:9464/metrics` */
export async function startPrometheus(target: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'esteira-prometheus-'));
  const port = await freePort(0);
  const { host } = new URL(target);
  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [{ job_name: 'esteira', static_configs: [{ targets: [host] }] }],
  };
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config)); // JSON is YAML
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const series = async (query: string): Promise<number> => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
    const answer = (await (await fetch(url)).json()) as Answer;
    if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`);
    return answer.data.result.length;
  };
  const scraped = () => series('esteira_monitoring_read_timestamp_seconds').catch(() => 0);
  await until(async () => (await scraped()) > 0);
  return {
    series,
    async close() {
      child.kill();
      await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Answer {
  status: string;
  error?: string;
  data: { result: unknown[] };
}
