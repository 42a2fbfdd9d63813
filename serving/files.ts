/**
 * A server for files, a process to start: `files.ts --model <name>=<path>… [--port <n>] [--log <folder>]`.
 *
 * No belt and no store, so nothing is followed and nothing reported; with `--log` predictions are written down as they are
 * on the belt, as Parquet below that folder.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { readConfig } from '../infra/config.ts';
import { createLogger } from '../infra/log.ts';
import { openStore } from '../infra/store/open.ts';
import { FileCatalogue, openFile } from './file-catalogue.ts';
import type { FileModel } from './file-catalogue.ts';
import { Journal } from './journal.ts';
import { openDoors, stopOnSignal } from './listen.ts';
import { loadSettings } from './loaded-version.ts';
import type { LoadedVersion } from './loaded-version.ts';
import { modelMetrics } from './metrics.ts';
import { Rejects } from './rejects.ts';
import { Shipper } from './shipper.ts';
import { openThreadedConverter } from './threaded-converter.ts';
import { fail } from '../infra/start-faults.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', multiple: true, default: [] },
    port: { type: 'string' },
    'grpc-port': { type: 'string' },
    log: { type: 'string' },
  },
});
const config = readConfig();
const log = createLogger(config, { process: 'serving' });
const settings = loadSettings(config.serving);
const hosts = await Promise.all(values.model.map((text) => openFile(modelOf(text), settings, log))).catch(
  fail,
);
const written = values.log === undefined ? undefined : await openLog(values.log).catch(fail);
const catalogue = new FileCatalogue(hosts, written?.journal);
const rejects = new Rejects();
const doors = await openDoors(
  { catalogue, log, rejects, metrics: () => modelMetrics(catalogue, rejects) },
  {
    ...config.serving,
    ...(values.port && { port: Number(values.port) }),
    ...(values['grpc-port'] && { grpcPort: Number(values['grpc-port']) }),
  },
).catch(fail);
stopOnSignal(doors, log, {
  drain: () => catalogue.drain(),
  close: async () => written?.close(),
});
const models = hosts.map(({ name, state }) => ({ name, ...state.champion!.signature }));
const { close: _, ...listening } = doors;
console.log(JSON.stringify({ event: 'listening', ...listening, models }));

function modelOf(text: string): FileModel {
  const at = text.indexOf('=');
  return { name: text.slice(0, at), path: text.slice(at + 1) };
}

async function openLog(folder: string) {
  const waiting = join(folder, '.waiting');
  await mkdir(waiting, { recursive: true });
  const store = await openStore(pathToFileURL(folder).href, { cacheDir: join(waiting, 'cache') });
  const spillDir = join(waiting, 'spill');
  const shipper = new Shipper({
    ...{ store, log, folder: waiting, replica: 'local' },
    openConverter: () => openThreadedConverter({ memory: '256MB', threads: 1, spillDir }),
  });
  await shipper.recover();
  const journals = new Map<LoadedVersion, Journal>();
  return {
    journal(version: LoadedVersion): Journal {
      const { model, digest, loggedInputs: inputs, signature } = version;
      const found = journals.get(version);
      if (found) return found;
      const stream = {
        kind: 'predictions',
        model,
        version: 1,
        digest,
        inputs,
        outputs: signature.outputs,
      } as const;
      const journal = new Journal(waiting, stream, shipper.ship);
      journals.set(version, journal);
      return journal;
    },
    async close(): Promise<void> {
      await Promise.all([...journals.values()].map((journal) => journal.rotate()));
      await shipper.close();
      await store.close();
    },
  };
}
