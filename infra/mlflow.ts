/**
 * The little of MLflow's REST interface that tracking needs, version 2.0 of it, which servers 2.x and 3.x speak.
 *
 * Every request is bounded in time. What is not there is undefined, what is there already is no error; all else is
 * an `Error` with the server's own words.
 *
 * @see https://mlflow.org/docs/latest/rest-api.html
 */
import type { MlflowSettings } from './config-receivers.ts';

export interface MlflowRun {
  runId: string;
  experimentId: string;
  /** `mlflow-artifacts:/…` when the server takes artifacts itself. */
  artifactUri: string;
  params: Record<string, string>;
}

export interface Metric {
  key: string;
  value: number;
  step: number;
  /** Milliseconds since 1970. */
  timestamp: number;
}

export interface ModelVersion {
  version: string;
  runId: string;
  tags: Record<string, string>;
}

export type Tags = Record<string, string>;
export type RunStatus = 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';

const requestMs = 10_000;
const uploadMs = 120_000;
/** What one `log-batch` may hold. */
const batch = { metrics: 1_000, params: 100, tags: 100 };

export class Mlflow {
  readonly settings: MlflowSettings;
  #experimentId: string | undefined;

  constructor(settings: MlflowSettings) {
    this.settings = settings;
  }

  /** The newest run of the experiment that bears this tag. */
  async findRun(key: string, value: string): Promise<MlflowRun | undefined> {
    const found = await this.#send('POST', 'runs/search', {
      experiment_ids: [await this.#experiment()],
      filter: `tags.\`${key}\` = '${value.replaceAll("'", '')}'`,
      max_results: 1,
    });
    const [run] = (found?.['runs'] ?? []) as RawRun[];
    return run && runFrom(run);
  }

  async createRun(name: string, startTime: number, tags: Tags): Promise<MlflowRun> {
    const experiment_id = await this.#experiment();
    const body = { experiment_id, run_name: name, start_time: startTime, tags: pairs(tags) };
    return runFrom((await this.#send('POST', 'runs/create', body))!['run'] as RawRun);
  }

  /** Undefined too when it was deleted. */
  async getRun(runId: string): Promise<MlflowRun | undefined> {
    const found = await this.#send('GET', `runs/get?run_id=${encodeURIComponent(runId)}`);
    const run = found?.['run'] as RawRun | undefined;
    return run && run.info.lifecycle_stage !== 'deleted' ? runFrom(run) : undefined;
  }

  async deleteRun(runId: string): Promise<void> {
    await this.#send('POST', 'runs/delete', { run_id: runId });
  }

  async updateRun(runId: string, status: RunStatus, endTime: number): Promise<void> {
    await this.#send('POST', 'runs/update', { run_id: runId, status, end_time: endTime });
  }

  /** In as many requests as it takes; values must be finite, and names such as MLflow takes. */
  async log(runId: string, what: { metrics?: Metric[]; params?: Tags; tags?: Tags }): Promise<void> {
    for (const metrics of chunks(what.metrics ?? [], batch.metrics)) await this.#log(runId, { metrics });
    for (const params of chunks(pairs(what.params ?? {}), batch.params)) await this.#log(runId, { params });
    for (const tags of chunks(pairs(what.tags ?? {}), batch.tags)) await this.#log(runId, { tags });
  }

  async #log(runId: string, body: object): Promise<void> {
    await this.#send('POST', 'runs/log-batch', { run_id: runId, ...body });
  }

  /** Everything that was ever logged under this key. */
  async history(runId: string, key: string): Promise<Metric[]> {
    const all: Metric[] = [];
    for (let token = ''; ;) {
      const query = new URLSearchParams({ run_id: runId, metric_key: key, max_results: '25000' });
      if (token) query.set('page_token', token);
      const page = await this.#send('GET', `metrics/get-history?${query.toString()}`);
      const metrics = (page?.['metrics'] ?? []) as Metric[];
      all.push(
        ...metrics.map((one) => ({ ...one, step: Number(one.step), timestamp: Number(one.timestamp) })),
      );
      token = (page?.['next_page_token'] as string | undefined) ?? '';
      if (!token || metrics.length === 0) return all;
    }
  }

  /** @returns false when the server keeps artifacts elsewhere, and takes none by way of itself */
  async upload(
    run: MlflowRun,
    path: string,
    body: AsyncIterable<Uint8Array>,
    bytes: number,
  ): Promise<boolean> {
    const [, folder] = /^mlflow-artifacts:(?:\/\/[^/]*)?\/+(.+)$/.exec(run.artifactUri) ?? [];
    if (folder === undefined) return false;
    const place = `${folder}/${path}`.split('/').map(encodeURIComponent).join('/');
    const response = await fetch(`${this.settings.uri}/api/2.0/mlflow-artifacts/artifacts/${place}`, {
      method: 'PUT',
      headers: {
        ...this.#headers(),
        'content-type': 'application/octet-stream',
        'content-length': String(bytes),
      },
      body: body as unknown as ReadableStream,
      duplex: 'half',
      redirect: 'error',
      signal: AbortSignal.timeout(uploadMs),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`MLflow answered ${response.status} to ${path}: ${text.slice(0, 300)}`);
    return true;
  }

  async ensureModel(name: string, description: string): Promise<void> {
    await this.#send('POST', 'registered-models/create', { name, description });
  }

  async versions(name: string): Promise<ModelVersion[]> {
    const all: ModelVersion[] = [];
    for (let token = ''; ;) {
      const query = new URLSearchParams({ filter: `name='${name}'`, max_results: '1000' });
      if (token) query.set('page_token', token);
      const page = await this.#send('GET', `model-versions/search?${query.toString()}`);
      for (const one of (page?.['model_versions'] ?? []) as RawVersion[]) {
        all.push({ version: one.version, runId: one.run_id ?? '', tags: record(one.tags) });
      }
      token = (page?.['next_page_token'] as string | undefined) ?? '';
      if (!token) return all;
    }
  }

  async createVersion(name: string, source: string, runId: string, tags: Tags): Promise<void> {
    await this.#send('POST', 'model-versions/create', { name, source, run_id: runId, tags: pairs(tags) });
  }

  /** Alias → version; empty for a model that is not registered. */
  async aliases(name: string): Promise<Record<string, string>> {
    const found = await this.#send('GET', `registered-models/get?name=${encodeURIComponent(name)}`);
    const model = found?.['registered_model'] as
      { aliases?: { alias: string; version: string }[] } | undefined;
    return Object.fromEntries((model?.aliases ?? []).map(({ alias, version }) => [alias, version]));
  }

  async setAlias(name: string, alias: string, version: string): Promise<void> {
    await this.#send('POST', 'registered-models/alias', { name, alias, version });
  }

  async deleteAlias(name: string, alias: string): Promise<void> {
    await this.#send('DELETE', 'registered-models/alias', { name, alias });
  }

  /** Made when it is missing; two that make it at once get the same. */
  async #experiment(): Promise<string> {
    const { experiment: name } = this.settings;
    const query = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
    const find = async () =>
      ((await this.#send('GET', query))?.['experiment'] as { experiment_id: string } | undefined)
        ?.experiment_id;
    this.#experimentId ??= await find();
    if (this.#experimentId === undefined) {
      await this.#send('POST', 'experiments/create', { name });
      this.#experimentId = await find();
    }
    if (this.#experimentId === undefined) throw new Error(`MLflow made no experiment ${name}`);
    return this.#experimentId;
  }

  #headers(): Record<string, string> {
    const { authorization } = this.settings;
    return authorization ? { authorization } : {};
  }

  /** @returns undefined for what is not there, or was there already */
  async #send(method: string, path: string, body?: object): Promise<Record<string, unknown> | undefined> {
    const response = await fetch(`${this.settings.uri}/api/2.0/mlflow/${path}`, {
      method,
      headers: { ...this.#headers(), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      redirect: 'error', // a credential must not follow to another host
      signal: AbortSignal.timeout(requestMs),
    });
    const text = await response.text();
    if (response.ok) return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    const { error_code: code, message } = faultIn(text);
    if (code === 'RESOURCE_DOES_NOT_EXIST' || code === 'RESOURCE_ALREADY_EXISTS') return undefined;
    const where = path.split('?')[0]!;
    throw new Error(`MLflow answered ${response.status} to ${where}: ${(message ?? text).slice(0, 300)}`);
  }
}

/** What a trainer that itself logs with `mlflow` needs to land in this run. Credentials are not among it. */
export function trackingEnvironment(settings: MlflowSettings, runId: string): Record<string, string> {
  return {
    MLFLOW_TRACKING_URI: settings.uri,
    MLFLOW_EXPERIMENT_NAME: settings.experiment,
    MLFLOW_RUN_ID: runId,
  };
}

type Pair = { key: string; value: string };
interface RawRun {
  info: { run_id: string; experiment_id: string; artifact_uri: string; lifecycle_stage?: string };
  data?: { params?: Pair[] };
}
interface RawVersion {
  version: string;
  run_id?: string;
  tags?: Pair[];
}

function runFrom({ info, data }: RawRun): MlflowRun {
  const { run_id: runId, experiment_id: experimentId, artifact_uri: artifactUri } = info;
  return { runId, experimentId, artifactUri, params: record(data?.params) };
}

const pairs = (tags: Tags): Pair[] => Object.entries(tags).map(([key, value]) => ({ key, value }));
const record = (list: readonly Pair[] = []): Tags =>
  Object.fromEntries(list.map(({ key, value }) => [key, value]));

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** A proxy in between may answer in HTML. */
function faultIn(text: string): { error_code?: string; message?: string } {
  try {
    return JSON.parse(text) as { error_code?: string; message?: string };
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
