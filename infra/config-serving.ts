/** What the environment may say to a server of predictions. Read by `config.ts`, as all of it is. */
import { z } from 'zod';

export interface ServingSettings {
  host: string;
  port: number;
  /** Undefined: no gRPC. */
  grpcPort: number | undefined;
  /** For metrics and health alone; undefined: they are where inference is. */
  managementPort: number | undefined;
  /** Of the prediction log on this disk, while the store does not take it. */
  logBytes: number;
  /** Makes hashes of columns that tell of people; undefined: such models are not served. */
  piiKey: string | undefined;
  /** What JSON says of an output that is NaN or infinite. */
  nan: 'refuse' | 'null';
  /** Rows that may wait at a model, and for how long by what the last ones took. */
  queue: { rows: number; ms: number };
  /** Who may ask; undefined: whoever reaches the port. */
  access: AccessSettings | undefined;
  /** Requests a second of one client; undefined: as many as there are. */
  rate: number | undefined;
  /** Paths of PEM files; undefined: plain text. */
  tls: { cert: string; key: string } | undefined;
  /** Whether each request is noted, without what was in it. */
  accessLog: boolean;
  /** A collector that takes OTLP over HTTP; undefined: no traces. OpenTelemetry's libraries read the rest of its variables. */
  tracesTo: string | undefined;
}

export interface AccessSettings {
  /** A file of tokens by their hashes. */
  tokens: string | undefined;
  jwt: { jwks: string; issuer: string; audience: string } | undefined;
}

export const port = z.coerce.number().int().min(0).max(65_535);
export const portWords = 'a whole number from 0 to 65535';
const path = { schema: z.string().min(1).optional(), allowed: 'the path of a file' };

export const servingVariables = {
  ESTEIRA_SERVING_PORT: { schema: port.default(8080), allowed: portWords },
  ESTEIRA_SERVING_HOST: {
    schema: z.string().min(1).default('127.0.0.1'),
    allowed: 'an address to listen at, such as 127.0.0.1 or 0.0.0.0',
  },
  ESTEIRA_SERVING_GRPC_PORT: { schema: port.optional(), allowed: portWords },
  ESTEIRA_SERVING_MANAGEMENT_PORT: { schema: port.optional(), allowed: portWords },
  ESTEIRA_SERVING_LOG_MB: {
    schema: z.coerce.number().int().min(1).max(1_000_000).default(1_000),
    allowed: 'a whole number of megabytes from 1',
  },
  ESTEIRA_SERVING_NAN: { schema: z.enum(['refuse', 'null']).default('refuse'), allowed: 'refuse or null' },
  ESTEIRA_SERVING_QUEUE_ROWS: {
    schema: z.coerce.number().int().min(1).max(10_000_000).default(20_000),
    allowed: 'a whole number of rows from 1',
  },
  ESTEIRA_SERVING_QUEUE_MS: {
    schema: z.coerce.number().int().min(1).max(600_000).default(2_000),
    allowed: 'a whole number of milliseconds from 1',
  },
  ESTEIRA_SERVING_TOKENS: path,
  // Of a client: read where it asks.
  ESTEIRA_SERVING_TOKEN: { schema: z.string().optional(), allowed: 'a token' },
  ESTEIRA_SERVING_JWKS: {
    schema: z.string().min(1).optional(),
    allowed: 'the address or the path of a JSON Web Key Set',
  },
  ESTEIRA_SERVING_JWT_ISSUER: { schema: z.string().min(1).optional(), allowed: 'who signs, as `iss` has it' },
  ESTEIRA_SERVING_JWT_AUDIENCE: {
    schema: z.string().min(1).optional(),
    allowed: 'for whom, as `aud` has it',
  },
  ESTEIRA_SERVING_TLS_CERT: path,
  ESTEIRA_SERVING_TLS_KEY: path,
  ESTEIRA_SERVING_RATE: {
    schema: z.coerce.number().positive().max(1e6).optional(),
    allowed: 'a number of requests a second above 0',
  },
  ESTEIRA_SERVING_ACCESS_LOG: { schema: z.enum(['on', 'off']).default('off'), allowed: 'on or off' },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    schema: z
      .string()
      .regex(/^https?:\/\/[^/]/)
      .optional(),
    allowed: 'the address of a collector, http://… or https://…',
  },
  ESTEIRA_PII_KEY: { schema: z.string().min(16).optional(), allowed: 'a secret of at least 16 characters' },
} as const;

type Variables = typeof servingVariables;
export type ServingValues = { [N in keyof Variables]: z.infer<Variables[N]['schema']> };

/** @throws Error for settings of which one lacks another */
export function servingSettings(values: ServingValues): ServingSettings {
  return {
    host: values.ESTEIRA_SERVING_HOST,
    port: values.ESTEIRA_SERVING_PORT,
    grpcPort: values.ESTEIRA_SERVING_GRPC_PORT,
    managementPort: values.ESTEIRA_SERVING_MANAGEMENT_PORT,
    logBytes: values.ESTEIRA_SERVING_LOG_MB * 1_000_000,
    piiKey: values.ESTEIRA_PII_KEY,
    nan: values.ESTEIRA_SERVING_NAN,
    queue: { rows: values.ESTEIRA_SERVING_QUEUE_ROWS, ms: values.ESTEIRA_SERVING_QUEUE_MS },
    access: accessOf(values),
    rate: values.ESTEIRA_SERVING_RATE,
    tls: tlsOf(values),
    accessLog: values.ESTEIRA_SERVING_ACCESS_LOG === 'on',
    tracesTo: values.OTEL_EXPORTER_OTLP_ENDPOINT,
  };
}

function tlsOf(values: ServingValues): ServingSettings['tls'] {
  const { ESTEIRA_SERVING_TLS_CERT: cert, ESTEIRA_SERVING_TLS_KEY: key } = values;
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  throw new Error(
    `ESTEIRA_SERVING_TLS_${cert === undefined ? 'CERT' : 'KEY'} is not set; TLS needs a certificate and its key.`,
  );
}

function accessOf(values: ServingValues): AccessSettings | undefined {
  const { ESTEIRA_SERVING_TOKENS: tokens, ESTEIRA_SERVING_JWKS: jwks } = values;
  const { ESTEIRA_SERVING_JWT_ISSUER: issuer, ESTEIRA_SERVING_JWT_AUDIENCE: audience } = values;
  const given = [jwks, issuer, audience].filter((one) => one !== undefined).length;
  if (given > 0 && given < 3)
    throw new Error(
      'Signed tokens need all of ESTEIRA_SERVING_JWKS, ESTEIRA_SERVING_JWT_ISSUER and ESTEIRA_SERVING_JWT_AUDIENCE.',
    );
  if (tokens === undefined && given === 0) return undefined;
  return { tokens, jwt: given === 3 ? { jwks: jwks!, issuer: issuer!, audience: audience! } : undefined };
}
