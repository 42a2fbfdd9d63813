/**
 * JSON lines for machines: one logger for our code, Temporal's SDK and its native core.
 *
 * What people read is printed by the client; logs go to stderr, so that stdout stays clean for `--json`.
 */
import type { Logger as TemporalLogger, LogLevel, LogMetadata } from '@temporalio/worker';
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

export type { Logger };

/** @param destination where lines go: stderr unless given (a file: `pino.destination(path)`) */
export function createLogger(
  config: { logLevel: string },
  bindings: Record<string, unknown> = {},
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
): Logger {
  return pino(
    {
      level: config.logLevel,
      base: { pid: process.pid, ...bindings },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  );
}

/** For `Runtime.install({ logger })`. Lines about a lifecycle carry its id, model and stage under our names. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta: LogMetadata = {}) => {
    logger[pinoLevels[level]](attributes(meta), message);
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

const pinoLevels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** Temporal's names stay; ours are added. `error` becomes `err`, which pino writes with its stack. */
function attributes({ error, ...meta }: LogMetadata): Record<string, unknown> {
  const { workflowId, activityType } = meta;
  const [, model] = typeof workflowId === 'string' ? (/^lifecycle\/([^/]+)\//.exec(workflowId) ?? []) : [];
  return {
    ...(model ? { lifecycleId: workflowId, model } : {}),
    ...(model && typeof activityType === 'string' ? { stage: activityType } : {}),
    ...meta,
    ...(error === undefined ? {} : { err: error }),
  };
}
