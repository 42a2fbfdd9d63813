/**
 * A model served by something else, a cloud's endpoint for one: a program of the user's puts it there, and this process
 * stands for it among the replicas. It follows the slots, hands each change to the program with the packages in folders,
 * and reports what the program says of itself, so that a rollout waits for it, watches it and takes it back like any other.
 *
 *     command-target.ts --replica <name> --model <model> -- <program> [argument]…
 *
 * The program is started anew for each question, gets one JSON value on stdin, and answers with one on stdout; what it
 * writes to stderr goes to the log. `{"action":"apply", …}` asks it to make these versions answer, and to return when they
 * do; `{"action":"health", …}` asks how they are, every ten seconds.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Slots } from '../contracts/serving.ts';
import { readConfig } from '../infra/config.ts';
import { createLogger } from '../infra/log.ts';
import { readJson } from '../infra/store/json.ts';
import { openStore } from '../infra/store/open.ts';
import { Note } from './note.ts';
import { Target } from './target-program.ts';

const pollMs = 1_000;
const healthMs = 10_000;

const { values, positionals: command } = parseArgs({
  options: { replica: { type: 'string' }, model: { type: 'string' } },
  allowPositionals: true,
});
const { model } = values;
if (model === undefined || command.length === 0) throw new Error('give --model, and the program after --');
const config = readConfig();
const replica = (values.replica ?? `${hostname()}-${model}`).replaceAll(/[^A-Za-z0-9-]/g, '-');
const log = createLogger(config, { process: 'target', replica });
const store = await openStore(config.store, { cacheDir: join(config.cacheHome, 'artifacts') });
const target = new Target({ store, log, folder: join(config.home, 'targets', replica), model, command });
const note = new Note(store, log, replica);
const startedAt = new Date().toISOString();
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

let settled: string | undefined;
let lookedAt = 0;
console.log(JSON.stringify({ event: 'listening', replica, model }));
while (!stop.signal.aborted) {
  // A store that is away is asked again; what was put in place goes on serving.
  await turn().catch((error: unknown) => log.warn({ err: error }, 'the store did not answer'));
  await sleep(pollMs, undefined, { signal: stop.signal }).catch(() => undefined);
}
await note.signOff();
await store.close();

async function turn(): Promise<void> {
  const found = await readJson(store, `models/${model}/current.json`, Slots);
  // The note goes out while the program works: a replica that is silent is taken for gone.
  const working = setInterval(() => void report().catch(() => undefined), pollMs);
  try {
    if (found && found.etag !== settled && (await target.apply(found.value))) settled = found.etag;
    else if (target.epoch > 0 && Date.now() - lookedAt >= healthMs) {
      lookedAt = Date.now();
      await target.look();
    }
  } finally {
    clearInterval(working);
  }
  await report();
}

async function report(): Promise<void> {
  const at = new Date().toISOString();
  await note.write({ url: target.url, at, startedAt, models: { [model!]: target.status } });
}
