/**
 * A real MLflow server for tests, from PyPI into the cache, once. Where there is no Python, or no registry, the tests
 * that need it are skipped, and say so.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../infra/local.ts';
import { pythonWith } from './python-packages.ts';

export const version = '3.17.2';

export interface MlflowServer {
  uri: string;
  /** An interpreter that has `mlflow`. */
  python: string;
  stop(): Promise<void>;
}

/** @returns the server, or why there is none */
export async function startMlflow(): Promise<MlflowServer | string> {
  const python = await pythonWith(`mlflow-${version}`, [`mlflow==${version}`]);
  if (!python.startsWith('/')) return python;
  const root = await mkdtemp(join(tmpdir(), 'esteira-mlflow-'));
  const port = await freePort(0);
  const args = ['--host', '127.0.0.1', '--port', String(port), '--workers', '1', '--serve-artifacts'];
  const places = [
    '--backend-store-uri',
    `sqlite:///${root}/db`,
    '--artifacts-destination',
    join(root, 'artifacts'),
  ];
  const child = spawn(python, ['-m', 'mlflow', 'server', ...args, ...places], {
    cwd: root,
    stdio: 'ignore',
    env: { ...process.env, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false', GIT_PYTHON_REFRESH: 'quiet' },
    detached: true, // it starts others, which are to end with it
  });
  const uri = `http://127.0.0.1:${port}`;
  const server = { uri, python, stop: () => stop(child, root) };
  if (await answers(uri, child)) return server;
  await server.stop();
  return 'mlflow server does not answer within 3 minutes';
}

/** Its database is made at the first start, which takes a while. */
async function answers(uri: string, child: ChildProcess): Promise<boolean> {
  for (let tries = 0; tries < 900 && child.exitCode === null; tries++) {
    const answered = await fetch(`${uri}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answered) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return false;
}

async function stop(child: ChildProcess, root: string): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode === null && child.pid !== undefined) {
    process.kill(-child.pid, 'SIGKILL');
    await ended;
  }
  await rm(root, { recursive: true, force: true });
}
