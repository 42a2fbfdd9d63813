/**
 * What the environment may say, and the only reader of it.
 *
 * A wrong value, or an `ESTEIRA_…` name nobody knows, stops the start with one sentence: what is wrong, what it
 * is, what is allowed. An empty variable counts as unset, as shells and compose files make it. Variables that a
 * library owns (`AWS_…`, `TEMPORAL_…`) keep their usual names and meaning.
 */
import { availableParallelism, homedir } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { z } from 'zod';
import { receiverSettings, receiverVariables } from './config-receivers.ts';
import type { ReceiverSettings } from './config-receivers.ts';
import { port, portWords, servingSettings, servingVariables } from './config-serving.ts';
import type { ServingSettings } from './config-serving.ts';
import { parseFaults } from './faults.ts';
import { didYouMean } from './nearest.ts';

/** The environment, not the code, must be mended. Its message is the whole story; print no stack. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

export type LogLevel = (typeof logLevels)[number];
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

export interface Config extends ReceiverSettings {
  /** Absolute: the embedded server's state, journals, spilled data. */
  home: string;
  /** Absolute: what can be fetched or computed again. Safe to delete when nothing runs. */
  cacheHome: string;
  /** `file:///…` or `s3://bucket/prefix?endpoint=…&region=…`: all that opens the store but the credentials. */
  store: string;
  temporal: {
    /** Only when the environment or a Temporal profile names a server; else the local one is started. */
    address?: string;
    namespace: string;
    /** Where the local one listens if that is free; 0 for any that is. */
    port: number;
    /** For `NativeConnection.connect` and `Connection.connect` alike; lacks `address` when that is absent. */
    connection: NativeConnectionOptions;
  };
  /** Where the gateway listens; 0 for any that is free. */
  gatewayPort: number;
  logLevel: LogLevel;
  color: boolean;
  serving: ServingSettings;
  duckdb: { memory: string; threads: number };
  /** Devices that a gpu worker may use, as nvidia-smi counts them; undefined for all. */
  gpus: number[] | undefined;
  /** What an hour of this worker costs, in any currency; undefined where nobody counts. */
  costPerHour: number | undefined;
  /** Addresses that alerts may go to although they are barred. */
  alertAllow: string[];
}

/** Name → how it is read, and how the allowed values are put into words. */
const variables = {
  ESTEIRA_HOME: { schema: z.string().default('.esteira'), allowed: 'a folder' },
  ESTEIRA_CACHE: { schema: z.string().default(join(homedir(), '.cache', 'esteira')), allowed: 'a folder' },
  ESTEIRA_STORE: {
    schema: z
      .string()
      .regex(/^(file:.+|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[^?]*)?(\?.*)?)$/)
      .optional(),
    allowed: 'file:<folder> or s3://<bucket>/<prefix>',
  },
  // Of the server that is started where none is named. Its UI is 1,000 above, as Temporal's own command has it.
  ESTEIRA_TEMPORAL_PORT: {
    schema: port.max(64_535).default(7233),
    allowed: 'a whole number from 0 to 64535',
  },
  ESTEIRA_GATEWAY_PORT: { schema: port.default(8090), allowed: portWords },
  ...servingVariables,
  // Room for a sort of three million rows in memory or spilled, the process staying under 1.5 GB.
  ESTEIRA_DUCKDB_MEMORY: {
    schema: z
      .string()
      .regex(/^[1-9][0-9]*(MB|GB|MiB|GiB)$/)
      .default('1GB'),
    allowed: 'a size such as 512MB or 2GB',
  },
  ESTEIRA_DUCKDB_THREADS: {
    schema: z.coerce.number().int().min(1).max(256).default(availableParallelism()),
    allowed: 'a whole number from 1 to 256',
  },
  ESTEIRA_GPUS: {
    schema: z
      .string()
      .regex(/^(none|[0-9]{1,3}(,[0-9]{1,3})*)$/)
      .transform((text) => (text === 'none' ? [] : [...new Set(text.split(',').map(Number))]))
      .optional(),
    allowed: 'indices of devices, such as 0 or 0,1, or none',
  },
  ESTEIRA_COST_PER_HOUR: {
    schema: z.coerce.number().positive().max(1e9).optional(),
    allowed: 'a number above 0',
  },
  // Addresses that alerts may go to although such hold the secrets of a cloud: see infra/outgoing.ts.
  ESTEIRA_ALERT_ALLOW: {
    schema: z
      .string()
      .regex(/^[0-9a-fA-F.:]+(,[0-9a-fA-F.:]+)*$/)
      .transform((text) => text.split(','))
      .optional(),
    allowed: 'addresses such as 169.254.10.1, with commas between',
  },
  // Faults on purpose, see infra/failpoint.ts. Read where they strike; here it is only checked.
  ESTEIRA_FAULT: { schema: z.string().optional(), allowed: 'point:action@n, or file:<path>' },
  ESTEIRA_FAULT_CONFIRM: { schema: z.literal('break-production').optional(), allowed: 'break-production' },
  ...receiverVariables,
  LOG_LEVEL: { schema: z.enum(logLevels).default('info'), allowed: logLevels.join(', ') },
} as const;

type Values = { [N in keyof typeof variables]: z.infer<(typeof variables)[N]['schema']> };
export type Environment = Record<string, string | undefined>;

/** @throws {ConfigError} on the first thing wrong */
export function readConfig(env: Environment = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  refuseUnknown(Object.keys(given));
  const values = readValues(given);
  checkFaults(values, given['NODE_ENV']);
  const home = resolve(values.ESTEIRA_HOME);
  return {
    home,
    cacheHome: resolve(values.ESTEIRA_CACHE),
    store: storeUri(values.ESTEIRA_STORE, home, given),
    temporal: { port: values.ESTEIRA_TEMPORAL_PORT, ...readTemporal(given as Record<string, string>) },
    gatewayPort: values.ESTEIRA_GATEWAY_PORT,
    logLevel: values.LOG_LEVEL,
    color: given['NO_COLOR'] === undefined,
    serving: servingOf(values),
    duckdb: { memory: values.ESTEIRA_DUCKDB_MEMORY, threads: values.ESTEIRA_DUCKDB_THREADS },
    ...receiverSettings(values),
    gpus: values.ESTEIRA_GPUS,
    costPerHour: values.ESTEIRA_COST_PER_HOUR,
    alertAllow: values.ESTEIRA_ALERT_ALLOW ?? [],
  };
}

function refuseUnknown(names: string[]): void {
  const known = Object.keys(variables);
  const stranger = names.find(
    (name) => name.startsWith('ESTEIRA_') && !isSecret(name) && !known.includes(name),
  );
  if (!stranger) return;
  const ours = known.filter((name) => name.startsWith('ESTEIRA_'));
  throw new ConfigError(
    `${stranger} is not a setting${didYouMean(stranger, ours)}; known: ${ours.join(', ')}.`,
  );
}

function readValues(env: Environment): Values {
  const read = Object.entries(variables).map(([name, { schema, allowed }]) => {
    const result = schema.safeParse(env[name]);
    if (result.success) return [name, result.data];
    const guess = name === 'LOG_LEVEL' ? didYouMean(env[name] ?? '', [...logLevels]) : '';
    throw new ConfigError(`${name} is "${env[name]}"${guess}; allowed: ${allowed}.`);
  });
  return Object.fromEntries(read) as Values;
}

/** A fault that was left in the environment must not reach people who rely on the process. */
function checkFaults(
  { ESTEIRA_FAULT: fault, ESTEIRA_FAULT_CONFIRM: confirmed }: Values,
  mode?: string,
): void {
  if (fault === undefined) return;
  if (mode === 'production' && confirmed === undefined) {
    throw new ConfigError(
      'ESTEIRA_FAULT makes this process fail on purpose, and NODE_ENV is production; unset it, or confirm with ESTEIRA_FAULT_CONFIRM=break-production.',
    );
  }
  try {
    if (!fault.startsWith('file:')) parseFaults(fault);
  } catch (error) {
    throw new ConfigError(`ESTEIRA_FAULT: ${(error as Error).message}.`, { cause: error });
  }
}

/** `ESTEIRA_SECRET_PAGER`, `ESTEIRA_SECRET_PAGER_FILE`: whatever projects name. */
const isSecret = (name: string): boolean => /^ESTEIRA_SECRET_[A-Z]/.test(name);

/** By name, such as `PAGER` or `PAGER_FILE`. */
export type TakenSecrets = Readonly<Record<string, string>>;

/** Takes them out of the environment: no trainer that this process starts inherits them. */
export function takeSecrets(): TakenSecrets {
  const taken: Record<string, string> = {};
  for (const name of Object.keys(process.env).filter(isSecret)) {
    if (process.env[name]) taken[name.slice('ESTEIRA_SECRET_'.length)] = process.env[name];
    delete process.env[name];
  }
  return taken;
}

/** What this process shows a server of predictions that asks who it is. */
export function servingToken(): string | undefined {
  return process.env['ESTEIRA_SERVING_TOKEN'] || undefined;
}

/** A secret that a settings file names by its variable, so that the file need not hold it. */
export function secretOf(variable: string): string | undefined {
  return process.env[variable] || undefined;
}

/** The SDK tells in eight lines, at every command, which Node its coming versions will want; ours is locked. */
export function withoutAwsNotice(): void {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
}

/** Faults to strike in this process; undefined nearly always. */
export function faultSetting(): string | undefined {
  return process.env['ESTEIRA_FAULT'] || undefined;
}

/** A custom endpoint or a region travels in the URI, so that it reaches every process that is given the store. */
function storeUri(given: string | undefined, home: string, env: Environment): string {
  if (!given) return pathToFileURL(join(home, 'store')).href;
  if (given.startsWith('file:')) {
    if (given.startsWith('file:///')) return pathToFileURL(fileURLToPath(given)).href;
    return pathToFileURL(resolve(given.slice('file:'.length))).href;
  }
  const uri = new URL(given);
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
  if (endpoint && !uri.searchParams.has('endpoint')) uri.searchParams.set('endpoint', endpoint);
  if (region && !uri.searchParams.has('region')) uri.searchParams.set('region', region);
  return uri.href;
}

function servingOf(values: Values): ServingSettings {
  try {
    return servingSettings(values);
  } catch (error) {
    throw new ConfigError((error as Error).message, { cause: error });
  }
}

/** As every Temporal tool reads it: `TEMPORAL_…` over the profile in its TOML file. */
function readTemporal(env: Record<string, string>): Omit<Config['temporal'], 'port'> {
  try {
    const { namespace = 'default', connectionOptions } = loadClientConnectConfig({ overrideEnvVars: env });
    const connection = Object.fromEntries(
      Object.entries(connectionOptions).filter(([, value]) => value !== undefined),
    ) as NativeConnectionOptions;
    const { address } = connection;
    return { ...(address ? { address } : {}), namespace, connection };
  } catch (error) {
    throw new ConfigError(
      `The Temporal settings (TEMPORAL_… or its profile) cannot be read: ${String(error)}`,
      {
        cause: error,
      },
    );
  }
}

/**
 * What a child process inherits: all of ours, and `extra` over it. Two arenas, unless somebody says otherwise: glibc
 * gives each of a worker's many threads one of its own, which costs 20 MB at idle and never shrinks.
 */
export function childEnvironment(extra: Environment = {}): Environment {
  return { MALLOC_ARENA_MAX: '2', ...process.env, ...extra };
}

/**
 * For a child that runs what nobody has vouched for: where programs and temporary files lie, and no secret of ours,
 * Temporal's or the store's. Node's own options stay out too: they could load anything.
 */
export function bareEnvironment(extra: Environment = {}): Environment {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ'].map((name) => [name, process.env[name]] as const);
  return { MALLOC_ARENA_MAX: '2', ...Object.fromEntries(kept), ...extra };
}

/** Where the shell would look for programs. */
export function pathFolders(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
}
