/**
 * Models from files that somebody wants to try: no belt, no slots, version 1 of each. The file is trusted as the person who
 * names it trusts it; where bytes come from others, `infra/onnx/open.ts` is the way.
 */
import { readFile } from 'node:fs/promises';
import type { Ports } from '../contracts/serving.ts';
import { sha256 } from '../infra/digest.ts';
import { kinds } from '../infra/onnx/datatypes.ts';
import { portsOf } from '../infra/onnx/ports.ts';
import { modelOf, openSession } from '../infra/onnx/session.ts';
import type { Feed } from '../infra/onnx/session.ts';
import type { Logger } from '../infra/log.ts';
import type { Append, Catalogue, Host, HostState, Routed } from './catalogue.ts';
import { product } from './decoder.ts';
import type { Journal } from './journal.ts';
import type { LaneLimits, Run } from './lane.ts';
import { counted } from './loaded-version.ts';
import type { LoadedVersion, LoadSettings } from './loaded-version.ts';

export interface FileModel {
  name: string;
  path: string;
}

/** One file, always the champion. */
export class FileHost implements Host {
  readonly name: string;
  readonly state: HostState;
  readonly desired = 1;

  constructor(name: string, version: LoadedVersion) {
    this.name = name;
    this.state = { epoch: 1, champion: version, challenger: undefined };
  }

  get ready(): boolean {
    return true;
  }

  get loaded(): readonly LoadedVersion[] {
    return [this.state.champion!];
  }

  route(): Routed {
    return { version: this.state.champion!, route: 'champion', epoch: 1 };
  }
}

export class FileCatalogue implements Catalogue {
  readonly hosts: readonly FileHost[];
  readonly looked = true;
  readonly #journal: ((version: LoadedVersion) => Journal) | undefined;
  #stopping = false;

  /** @param journal where predictions go; absent: nowhere */
  constructor(hosts: readonly FileHost[], journal?: (version: LoadedVersion) => Journal) {
    this.hosts = hosts;
    this.#journal = journal;
  }

  get ready(): boolean {
    return !this.#stopping;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  host(model: string): Host | undefined {
    return this.hosts.find(({ name }) => name === model);
  }

  log(version: LoadedVersion): Append | undefined {
    const journal = this.#journal?.(version);
    return journal && ((write, rows) => journal.append(write, rows));
  }

  besideFailed(): void {
    // There is one version of each.
  }

  drain(): void {
    this.#stopping = true;
  }
}

/** @throws Error that names the file, and what the runtime says of it */
export async function openFile(
  { name, path }: FileModel,
  settings: LoadSettings,
  log: Logger,
): Promise<FileHost> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read: ${error.code}`, { cause: error });
  });
  const session = await openSession(path).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} is no model that can be served: ${why}`, { cause: error });
  });
  const { left, ...ports } = portsOf(session);
  if (left.length > 0) log.warn({ model: name, outputs: left }, 'outputs that are no tensors are not served');
  const { infer, close } = modelOf(session, ports);
  const run = settings.thread.share(infer);
  const version = counted(
    { run, close },
    {
      ...{
        model: name,
        version: 1,
        digest: sha256(bytes),
        signature: ports,
      },
      ...{ logged: 1, nan: settings.nan, privacy: new Map() },
      limits: await limitsFor(run, ports, settings.limits),
    },
  );
  return new FileHost(name, version);
}

/** One row alone and among others: a model that answers otherwise then must not be batched. */
async function limitsFor(run: Run, ports: Ports, limits: LaneLimits): Promise<LaneLimits> {
  const alone = { ...limits, batchRows: 1 };
  if ([...ports.inputs, ...ports.outputs].some(({ shape }) => shape[0] !== -1)) return alone;
  const three = ports.inputs.map((spec, i) => sampleFeed(spec, 3, i));
  try {
    const [together, single] = [await run(three), await run(three.map((feed) => firstRow(feed)))];
    const same = together.every((feed, i) => isStart(feed, single[i]!));
    return same ? limits : alone;
  } catch {
    return alone; // it does not take such rows, and what it takes is not known
  }
}

function sampleFeed({ datatype, shape }: Ports['inputs'][number], rows: number, seed: number): Feed {
  const dims = [rows, ...shape.slice(1).map((size) => (size === -1 ? 1 : size))];
  const { array: TypedArray } = kinds[datatype];
  if (!TypedArray) return { values: Array.from({ length: product(dims) }, (_, i) => String(i)), dims };
  const values = new TypedArray(product(dims));
  const big = values instanceof BigInt64Array || values instanceof BigUint64Array;
  for (let i = 0; i < values.length; i++)
    values[i] = (big ? BigInt((i + seed) % 2) : (i + seed) % 2) as never;
  return { values, dims };
}

function firstRow({ values, dims }: Feed): Feed {
  return { values: values.slice(0, values.length / dims[0]!), dims: [1, ...dims.slice(1)] };
}

function isStart({ values, dims }: Feed, start: Feed): boolean {
  if (dims[0] !== 3 || start.dims[0] !== 1) return false;
  return start.values.every((value: unknown, i: number) => {
    const other: unknown = values[i];
    if (typeof value !== 'number') return value === other;
    return Math.abs(value - Number(other)) <= 1e-5 * Math.max(1, Math.abs(value)) || Number.isNaN(value);
  });
}
