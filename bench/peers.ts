/**
 * Other servers of the same model on this machine, from PyPI into the cache: MLServer without workers of its own, KServe's
 * Python server, BentoML. Each runs onnxruntime with one thread, and writes nothing down.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../infra/config.ts';
import { freePort } from '../infra/local.ts';

export interface Peer {
  name: string;
  pid: number;
  url: string;
  /** Of one row. */
  body: string;
  stop(): Promise<void>;
}

/** What each is called in the table, with the version that was measured. */
const packages = { mlserver: 'mlserver==1.7.1', kserve: 'kserve==0.21.0', bentoml: 'bentoml==1.4.40' };
type Name = keyof typeof packages;
export const peerNames = Object.keys(packages) as Name[];

const source = (name: string): string => fileURLToPath(new URL(`./peers/${name}`, import.meta.url));

/** @param model a file. @throws Error when it cannot be installed or does not answer within two minutes */
export async function startPeer(name: Name, model: string, home: string, rowBody: string): Promise<Peer> {
  const bin = installed(name, [packages[name], 'onnxruntime', 'numpy']);
  const port = await freePort(0);
  const folder = join(home, name);
  await mkdir(folder, { recursive: true });
  const [command, args] = await commands[name](bin, folder, port);
  const child = spawn(join(bin, command), args, {
    cwd: folder,
    env: { ...process.env, MODEL: model, BENTOML_DO_NOT_TRACK: 'true' },
    stdio: 'ignore',
    detached: true, // it starts others, which are to end with it
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    // Asked first, so that it ends those that it has started in sessions of their own.
    if (child.exitCode === null) child.kill('SIGTERM');
    const late = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
  };
  const origin = `http://127.0.0.1:${port}`;
  const own = name === 'bentoml';
  const url = own ? `${origin}/infer` : `${origin}/v2/models/m/infer`;
  const body = own
    ? JSON.stringify({ x: [(JSON.parse(rowBody) as { inputs: [{ data: number[] }] }).inputs[0].data] })
    : rowBody;
  for (let tries = 0; tries < 240 && child.exitCode === null; tries++) {
    const headers = { 'content-type': 'application/json' };
    const ok = await fetch(url, { method: 'POST', headers, body }).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) return { name: packages[name].replace('==', ' '), pid: child.pid!, url, body, stop };
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await stop();
  throw new Error(`${name} does not answer at ${url}`);
}

type Start = (bin: string, folder: string, port: number) => Promise<[command: string, args: string[]]>;

const commands: Record<Name, Start> = {
  async mlserver(_bin, folder, port) {
    await copyFile(source('mlserver_model.py'), join(folder, 'mlserver_model.py'));
    const own = { http_port: port, grpc_port: await freePort(0), metrics_port: await freePort(0) };
    await writeFile(
      join(folder, 'settings.json'),
      JSON.stringify({ ...own, parallel_workers: 0, debug: false, use_structured_logging: false }),
    );
    await writeFile(
      join(folder, 'model-settings.json'),
      JSON.stringify({ name: 'm', implementation: 'mlserver_model.Trees' }),
    );
    return ['mlserver', ['start', folder]];
  },
  async kserve(_bin, _folder, port) {
    return ['python3', [source('kserve_model.py'), String(port)]];
  },
  async bentoml(_bin, folder, port) {
    await copyFile(source('bentoml_service.py'), join(folder, 'bentoml_service.py'));
    return ['bentoml', ['serve', 'bentoml_service:Trees', '--port', String(port), '--host', '127.0.0.1']];
  },
};

/** An environment of its own for each, from PyPI into the cache, once. @returns where its programs are */
export function installed(name: string, wanted: readonly string[]): string {
  const folder = join(readConfig().cacheHome, 'peers', name);
  const bin = join(folder, 'bin');
  const done = join(folder, 'installed');
  if (existsSync(done)) return bin;
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', folder]],
    [join(bin, 'python3'), ['-m', 'pip', 'install', '--quiet', ...wanted]],
    ['touch', [done]],
  ];
  for (const [command, args] of steps) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${name} cannot be installed: ${stderr.trim().split('\n').at(-1)}`);
  }
  return bin;
}
