/**
 * A real MLflow server for tests, from PyPI into the cache, once. Where there is no Python, or no registry, the tests
 * that need it are skipped, and say so.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../infra/config.ts';
import { freePort } from '../../infra/local.ts';

const version = '3.17.2';

export interface MlflowServer {
  uri: string;
  /** An interpreter that has `mlflow`. */
  python: string;
  stop(): Promise<void>;
}

/** @returns the server, or why there is none */
export async function startMlflow(): Promise<MlflowServer | string> {
  const python = await findOrInstall();
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

/** Beside its place, then renamed: two tests may install it at once, and neither sees half of it. */
async function findOrInstall(): Promise<string> {
  const cache = readConfig().cacheHome;
  const folder = join(cache, `mlflow-${version}`);
  const python = join(folder, 'bin', 'python3');
  if (existsSync(python)) return python;
  await mkdir(cache, { recursive: true });
  const building = await mkdtemp(join(cache, '.mlflow-'));
  const steps = [
    ['python3', '-m', 'venv', building],
    [join(building, 'bin', 'python3'), '-m', 'pip', 'install', '--quiet', `mlflow==${version}`],
  ] as const;
  for (const [command, ...args] of steps) {
    const { error, status, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 1_200_000 });
    if (status === 0) continue;
    await rm(building, { recursive: true, force: true });
    return error ? `mlflow needs Python: ${error.message}` : `mlflow: ${stderr.trim().split('\n').at(-1)}`;
  }
  await rename(building, folder).catch(() => undefined); // another test was first, and its folder is as good
  await rm(building, { recursive: true, force: true });
  return python;
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
