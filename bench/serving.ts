/**
 * Predictions over HTTP, every one of them logged, beside the least that Fastify could do and beside other servers: a model
 * of a hundred trees over thirty numbers. Rounds are interleaved, and medians taken, for a machine has moods.
 */
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { forkModule } from '../infra/child.ts';
import type { Child } from '../infra/child.ts';
import { cpuSeconds } from './processes.ts';
import { peerNames, startPeer } from './peers.ts';
import { atLeast, atMost, just, median } from './row.ts';
import type { Row } from './row.ts';
import { features, treesModel } from './trees.ts';

const seconds = Number(process.env['BENCH_SECONDS'] ?? 4);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
/** At least so many times as fast as each. */
const bars = { mlserver: 8, kserve: 10, bentoml: 20 };

interface Server {
  pid: number;
  url: string;
}

export async function serving(home: string): Promise<Row[]> {
  const model = join(home, 'trees.onnx');
  await writeFile(model, treesModel());
  const ours = await started('../serving/files.ts', home, [
    '--model',
    `m=${model}`,
    '--port',
    '0',
    '--log',
    join(home, 'log'),
  ]);
  const echo = await started('./echo.ts', home, []);
  try {
    const infer = { pid: ours.pid, url: `${ours.url}/v2/models/m/infer` };
    const one = await saved(home, 'one', jsonRequest(1));
    const rows: Row[] = [];
    for (const connections of [16, 64]) rows.push(...(await besideEcho(infer, echo, one, connections)));
    rows.push(...(await binaryOverJson(home, infer)), await readiness(home, ours.url, infer));
    rows.push(...(await besidePeers(home, model, infer, one)));
    return rows;
  } finally {
    await Promise.all([ours.child.kill(), echo.child.kill()]);
  }
}

async function besideEcho(infer: Server, echo: Server, file: string, connections: number): Promise<Row[]> {
  const ratios: number[] = [];
  const [mine, least, cpu, echoed] = [[], [], [], []] as number[][];
  for (let round = 0; round < rounds; round++) {
    const theirs = await load(echo, connections, file);
    const own = await load(infer, connections, file);
    least!.push(theirs.rate);
    mine!.push(own.rate);
    echoed!.push(theirs.cpu);
    cpu!.push(own.cpu);
    ratios.push(own.rate / theirs.rate);
  }
  const at = `${connections} connections`;
  return [
    just(`one-row predictions, ${at}`, median(mine!), '/s'),
    just(`Fastify echoing the same bytes, ${at}`, median(least!), '/s'),
    atLeast(`predictions over echoes, ${at}`, median(ratios), '', 0.85),
    atMost(`processor time a prediction, ${at}`, median(cpu!), 'µs', 75),
    just(`processor time an echo, ${at}`, median(echoed!), 'µs'),
  ];
}

async function besidePeers(home: string, model: string, infer: Server, one: string): Promise<Row[]> {
  const rows: Row[] = [];
  const body = jsonRequest(1).body.toString();
  for (const name of peerNames) {
    const peer = await startPeer(name, model, home, body);
    try {
      const file = await saved(home, name, { headers: json, body: Buffer.from(peer.body) });
      const ratios: number[] = [];
      const rates: number[] = [];
      for (let round = 0; round < 3; round++) {
        const theirs = await load(peer, 16, file);
        rates.push(theirs.rate);
        ratios.push((await load(infer, 16, one)).rate / theirs.rate);
      }
      rows.push(
        just(`${peer.name}, the same rows, 16 connections`, median(rates), '/s'),
        atLeast(`predictions over those of ${peer.name}`, median(ratios), '', bars[name]),
      );
    } finally {
      await peer.stop();
    }
  }
  return rows;
}

async function binaryOverJson(home: string, infer: Server): Promise<Row[]> {
  const [text, bytes] = [
    await saved(home, 'json64', jsonRequest(64)),
    await saved(home, 'binary64', binaryRequest(64)),
  ];
  const ratios: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const slow = await load(infer, 16, text);
    const fast = await load(infer, 16, bytes);
    rates.push(fast.rate);
    ratios.push(fast.rate / slow.rate);
  }
  return [
    just('requests of 64 rows as bytes, 16 connections', median(rates), '/s'),
    atLeast('requests of 64 rows: bytes over JSON', median(ratios), '', 1.5),
  ];
}

/** Health checks meanwhile, each on a connection of its own as a kubelet's are. */
async function readiness(home: string, origin: string, infer: Server): Promise<Row> {
  const file = await saved(home, 'json512', jsonRequest(512));
  const pressure = load(infer, 8, file);
  const took: number[] = [];
  const until = performance.now() + (seconds + 0.5) * 1_000;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  while (performance.now() < until) {
    const from = performance.now();
    await new Promise<void>((resolve, reject) => {
      request(`${origin}/v2/health/ready`, { agent: false }, (answer) => answer.resume().on('end', resolve))
        .on('error', reject)
        .end();
    });
    took.push(performance.now() - from);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await pressure;
  const p99 = took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)]!;
  return atMost('readiness, 99th percentile, under requests of 512 rows', p99, 'ms', 60);
}

interface Request {
  headers: Record<string, string>;
  body: Buffer;
}

const json = { 'content-type': 'application/json' };

function numbers(rows: number): number[] {
  return Array.from({ length: rows * features }, (_, i) => Math.round(((i * 0.137) % 1) * 10_000) / 10_000);
}

function jsonRequest(rows: number): Request {
  const tensor = { name: 'x', shape: [rows, features], datatype: 'FP32', data: numbers(rows) };
  return { headers: json, body: Buffer.from(JSON.stringify({ inputs: [tensor] })) };
}

function binaryRequest(rows: number): Request {
  const bytes = Buffer.from(Float32Array.from(numbers(rows)).buffer);
  const tensor = {
    name: 'x',
    shape: [rows, features],
    datatype: 'FP32',
    parameters: { binary_data_size: bytes.length },
  };
  const head = Buffer.from(JSON.stringify({ inputs: [tensor], parameters: { binary_data_output: true } }));
  const headers = {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(head.length),
  };
  return { headers, body: Buffer.concat([head, bytes]) };
}

async function saved(home: string, name: string, { headers, body }: Request): Promise<string> {
  const path = join(home, `${name}.request`);
  await writeFile(path, Buffer.concat([Buffer.from(`${JSON.stringify(headers)}\n`), body]));
  return path;
}

async function started(path: string, home: string, args: string[]): Promise<Server & { child: Child }> {
  const env = { ESTEIRA_HOME: home, LOG_LEVEL: 'warn' };
  const child = forkModule(new URL(path, import.meta.url), { args, env });
  for await (const { event, url } of child.events)
    if (event === 'listening') return { child, pid: child.pid, url: String(url) };
  throw new Error(`${path} ended before it listened`);
}

/** From a process of its own, after a second of warming up. @returns requests a second, µs of the processor for each */
async function load(
  { url, pid }: Server,
  connections: number,
  file: string,
): Promise<{ rate: number; cpu: number }> {
  const args = [url, String(connections), String(seconds), file];
  const before = await cpuSeconds(pid);
  const child = forkModule(new URL('./load.ts', import.meta.url), { args });
  for await (const { event, rate } of child.events) {
    if (event !== 'done') continue;
    const cpu = ((await cpuSeconds(pid)) - before) / (Number(rate) * (seconds + 1)); // one of them warms up
    return { rate: Number(rate), cpu: cpu * 1e6 };
  }
  throw new Error(`no load could be put on ${url}`);
}
