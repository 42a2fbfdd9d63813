/** A real PostgreSQL, where one is installed, with one user who needs a password. */
import { execFileSync, spawn } from 'node:child_process';
import type { SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../../infra/local.ts';
import { until } from './until.ts';

export interface Postgres {
  /** Without the password. */
  url: string;
  password: string;
  run(sql: string): Promise<void>;
  close(): Promise<void>;
}

/** It refuses to run as root: then as nobody. */
const nobody: SpawnOptions = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** Undefined, or why there is none. */
export function noPostgres(): string | undefined {
  try {
    for (const program of ['initdb', 'postgres'])
      execFileSync(program, ['--version'], { ...nobody, stdio: 'ignore' });
    return undefined;
  } catch (error) {
    return `PostgreSQL is not installed: ${(error as Error).message}`;
  }
}

export async function startPostgres(): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), 'esteira-postgres-'));
  const [data, password] = [join(folder, 'data'), 'open sesame'];
  await writeFile(join(folder, 'password'), password);
  await chmod(folder, 0o755);
  if (nobody.uid !== undefined) await chown(folder, nobody.uid, nobody.gid!);
  const named = ['--username=watcher', '--auth=scram-sha-256', `--pwfile=${join(folder, 'password')}`];
  execFileSync('initdb', [`--pgdata=${data}`, '--no-sync', ...named], { ...nobody, stdio: 'ignore' });
  const port = await freePort(0);
  const listening = ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`];
  const child = spawn('postgres', ['-D', data, '-p', String(port), '-F', ...listening], {
    ...nobody,
    stdio: 'ignore',
  });
  const url = `postgresql://watcher@127.0.0.1:${port}/postgres`;
  const run = async (sql: string) => {
    const client = new Client({ host: '127.0.0.1', port, user: 'watcher', database: 'postgres', password });
    try {
      await client.connect();
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await until(() =>
    run('SELECT 1').then(
      () => true,
      () => false,
    ),
  );
  return {
    ...{ url, password, run },
    async close() {
      child.kill('SIGINT');
      await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
