/** Callers that never stop, over connections that they keep, and mend nothing: each failure counts. */
import { Agent, request } from 'node:http';

export interface Pressure {
  /** Answers that were good. */
  readonly answered: number;
  /** What went wrong, each: a status that is not 200, or a connection that broke. */
  readonly failures: readonly string[];
  stop(): Promise<void>;
}

/** @param target where the next request goes; undefined while nobody is there */
export function press(callers: number, body: string, target: () => string | undefined): Pressure {
  const agent = new Agent({ keepAlive: true });
  const state = { answered: 0, failures: [] as string[], stopped: false };
  const caller = async () => {
    while (!state.stopped) {
      const url = target();
      const wrong = url === undefined ? 'no replica is ready' : await ask(agent, url, body);
      if (wrong === undefined) state.answered++;
      else {
        state.failures.push(wrong);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  };
  const all = Promise.all(Array.from({ length: callers }, caller));
  return {
    get answered() {
      return state.answered;
    },
    failures: state.failures,
    async stop() {
      state.stopped = true;
      await all;
      agent.destroy();
    },
  };
}

/** @returns what went wrong */
function ask(agent: Agent, url: string, body: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const call = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve(response.statusCode === 200 ? undefined : `${response.statusCode} ${text}`),
      );
      response.on('error', (error) => resolve(String(error)));
    });
    call.on('error', (error) => resolve(String(error)));
    call.end(body);
  });
}

/** Asks again and again who is ready, as a balancer does, and sends each request to the next of those. */
export interface Balancer {
  /** How many are ready. */
  readonly ready: number;
  /** Where the next request goes; undefined while nobody is ready. */
  next(): string | undefined;
  stop(): Promise<void>;
}

/** @param replicas ready when this begins; who takes the place of one in the list is asked from then on */
export function balance(replicas: readonly { url: string }[]): Balancer {
  const ready = new Set(replicas.map(({ url }) => url));
  let next = 0;
  let watching = true;
  const watch = (async () => {
    while (watching) {
      for (const { url } of replicas) {
        const { ok } = await fetch(`${url}/v2/health/ready`).catch(() => ({ ok: false }));
        if (ok) ready.add(url);
        else ready.delete(url);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    get ready() {
      return ready.size;
    },
    next() {
      const urls = [...ready];
      return urls[next++ % urls.length];
    },
    stop() {
      watching = false;
      return watch;
    },
  };
}
