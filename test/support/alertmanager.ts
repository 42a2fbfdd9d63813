/** Prometheus' own Alertmanager, where it is installed (Debian: `prometheus-alertmanager`); else tests of it are skipped. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../infra/local.ts';
import { until } from './until.ts';

export interface Alertmanager {
  url: string;
  stop(): Promise<void>;
}

/** @returns the server, or why there is none */
export async function startAlertmanager(): Promise<Alertmanager | string> {
  const program = ['prometheus-alertmanager', 'alertmanager'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );
  if (program === undefined) return 'no alertmanager is installed';
  const root = await mkdtemp(join(tmpdir(), 'esteira-alertmanager-'));
  await writeFile(join(root, 'am.yml'), 'route: { receiver: none }\nreceivers: [{ name: none }]\n');
  const url = `http://127.0.0.1:${await freePort(0)}`;
  const child = spawn(
    program,
    [
      ...[`--config.file=${join(root, 'am.yml')}`, `--storage.path=${root}`, '--cluster.listen-address='],
      `--web.listen-address=${new URL(url).host}`,
    ],
    { stdio: 'ignore' },
  );
  await until(() =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    url,
    async stop() {
      if (child.kill()) await once(child, 'exit');
      await rm(root, { recursive: true, force: true });
    },
  };
}
