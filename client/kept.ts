/** Processes that `esteira up` keeps: started again whenever they end, until they are to stop. */
import { createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { forkModule } from '../infra/child.ts';
import type { Child, ChildOptions } from '../infra/child.ts';
import type { Config } from '../infra/config.ts';
import { startDevServer } from '../infra/dev-server.ts';
import type { DevServer } from '../infra/dev-server.ts';
import { freePort, isAlive } from '../infra/local.ts';

/** Longer than this, and it had run well: its end is a new trouble, to be mended at once. */
const wellAfterMs = 30_000;

/** One of our modules in a process of its own. */
export class Kept {
  readonly #start: () => Child;
  readonly #log: WriteStream;
  readonly #onEnd: (how: string) => void;
  #child: Child;
  #stopping = false;

  constructor(
    url: URL,
    options: Pick<ChildOptions, 'env' | 'flags' | 'args'>,
    logPath: string,
    onEnd: (how: string) => void,
  ) {
    this.#log = createWriteStream(logPath, { flags: 'a' });
    this.#start = () => forkModule(url, { ...options, onText: (line) => void this.#log.write(`${line}\n`) });
    this.#onEnd = onEnd;
    this.#child = this.#start();
    void this.#keep(); // ends with stop(); it cannot throw: `exited` never rejects
  }

  get pid(): number {
    return this.#child.pid;
  }

  async #keep(): Promise<void> {
    for (let pause = 100; !this.#stopping; pause = Math.min(pause * 2, 5_000)) {
      const since = Date.now();
      const [{ code, signal }] = await Promise.all([this.#child.exited, drained(this.#child)]);
      if (this.#stopping) return;
      if (Date.now() - since > wellAfterMs) pause = 100;
      this.#onEnd(signal ?? `exit code ${code}`);
      await sleep(pause);
      if (!this.#stopping) this.#child = this.#start();
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#child.kill(25_000);
    this.#log.end();
  }
}

/** Logs go to files; standard output must be read all the same, or the child would block on a full pipe. */
async function drained(child: Child): Promise<void> {
  for await (const _ of child.events);
}

/** The local server, looked after: a killed one comes back on the same ports, with the same state. */
export async function keepTemporal(config: Config): Promise<{ server: DevServer; stop(): Promise<void> }> {
  const { home, cacheHome } = config;
  const wished = config.temporal.port;
  const port = await freePort(wished);
  const uiPort = await freePort(wished && wished + 1_000);
  let server = await startDevServer({ home, cacheHome, port, uiPort }).catch(
    () => startDevServer({ home, cacheHome }), // somebody took the port in between
  );
  const ports = {
    port: Number(new URL(`http://${server.address}`).port),
    uiPort: Number(new URL(server.uiUrl).port),
  };
  const watch = setInterval(() => void revive(), 500);
  let reviving: Promise<void> | undefined;
  const revive = (): Promise<void> | undefined => {
    if (isAlive(server.pid)) return reviving;
    reviving ??= startDevServer({ home, cacheHome, ...ports })
      .then((next) => void (server = next))
      .catch(() => undefined) // the port may be held a moment longer; the next look tries again
      .finally(() => (reviving = undefined));
    return reviving;
  };
  return {
    get server() {
      return server;
    },
    async stop() {
      clearInterval(watch);
      await reviving;
      await server.stop();
    },
  };
}
