/** `gateway.yaml`: who may send what, and how each proves who they are. Secrets are named in it, and lie elsewhere. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { Duration, ModelName, Sha256 } from '../../contracts/artifact.ts';
import { secretOf } from '../../infra/config.ts';
import { faultsOf } from '../../infra/project-faults.ts';
import { parseYaml, readText } from '../../infra/project-yaml.ts';
import { unreadable } from '../../infra/start-faults.ts';

/**
 * `events`, `labels`, `data`: to send them. `trigger`: to ask for a lifecycle. `approve`: to decide, under the caller's name.
 * `read`: models, approvals, what became of events. `admin`: metrics.
 */
export const Scope = z.enum(['events', 'labels', 'data', 'trigger', 'approve', 'read', 'admin']);
export type Scope = z.infer<typeof Scope>;

const Secret = z.union([
  z.strictObject({
    env: z
      .string()
      .regex(/^[A-Z_][A-Z0-9_]*$/, 'must be the name of an environment variable')
      .refine((name) => !name.startsWith('ESTEIRA_'), 'must not begin with ESTEIRA_, which is for settings'),
  }),
  z.strictObject({ file: z.string().min(1) }),
]);

const Proof = z.discriminatedUnion('by', [
  /** `Authorization: Bearer …`, known by its hash (`esteira token`). */
  z.strictObject({ by: z.literal('token'), sha256: Sha256 }),
  /** A JWT of the issuer below; `*` is any subject, which is then the caller's name. */
  z.strictObject({ by: z.literal('jwt'), subject: z.string().min(1) }),
  /** A client certificate of one of `tls.clientCa`; its common name. */
  z.strictObject({ by: z.literal('certificate'), commonName: z.string().min(1) }),
  /** https://www.standardwebhooks.com: GitLab's signing token, and many others. */
  z.strictObject({ by: z.literal('standard-webhooks'), secret: Secret }),
  /** X-Hub-Signature-256. */
  z.strictObject({ by: z.literal('github'), secret: Secret }),
  /** X-Gitlab-Token: sent as it is, so over TLS only. */
  z.strictObject({ by: z.literal('gitlab'), secret: Secret }),
]);
export type Proof = z.infer<typeof Proof>;

const Caller = z.strictObject({
  proof: Proof,
  may: z.array(Scope).min(1),
  /** Models that it may ask or tell of; all, if absent. */
  models: z.array(ModelName).optional(),
  /** CloudEvents sources that it may speak for, exact or with `*` at the end; all, if absent. */
  sources: z.array(z.string().min(1)).optional(),
});

export const columnTypes = ['number', 'text', 'boolean', 'time'] as const;
export const ColumnType = z.enum(columnTypes);
export type ColumnType = z.infer<typeof ColumnType>;
export const LandingName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'must be lower-case letters, digits, dashes and underscores');

export const isPostgres = (database: string): boolean => /^postgres(ql)?:/.test(database);

const every = Duration.default('1m');
const Poll = z.union([
  /** A place such as `s3://bucket/prefix` or `file:/data/in`; each new or changed object is an event. */
  z.strictObject({ prefix: z.string().regex(/^(s3|file):/, 'must begin with s3: or file:'), every }),
  /** A resource; each new ETag, or Last-Modified where there is none, is an event. */
  z.strictObject({ url: z.url({ protocol: /^https?$/ }), every }),
  /** `postgresql://user@host/name`, or a DuckDB file; and a query of one value, each new one of which is an event. */
  z.strictObject({
    database: z
      .string()
      .min(1)
      .refine(
        (database) => !isPostgres(database) || (URL.canParse(database) && new URL(database).password === ''),
        'must be a URL without a password in it, which is named beside it: password: { env: … }, or { file: … }',
      ),
    watermark: z.string().min(1),
    password: Secret.optional(),
    every,
  }),
]);
export type Poll = z.infer<typeof Poll>;

export const Settings = z.strictObject({
  tls: z.strictObject({ cert: z.string(), key: z.string(), clientCa: z.string().optional() }).optional(),
  jwt: z.strictObject({ jwks: z.string(), issuer: z.string(), audience: z.string() }).optional(),
  callers: z.record(z.string().regex(/^[A-Za-z0-9][\w.@-]{0,99}$/), Caller).default({}),
  /** Columns of what is pushed to `/data/<source>`; of others the first push tells. */
  landing: z.record(LandingName, z.strictObject({ columns: z.record(z.string(), ColumnType) })).default({}),
  polls: z.record(LandingName, Poll).default({}),
  /** Requests a second of one caller; as many as there are, if absent. */
  rate: z.number().positive().max(1e6).optional(),
});
export type Settings = z.infer<typeof Settings>;

/** @returns settings whose paths are absolute. @throws Error with the line to mend */
export async function readSettings(path: string): Promise<Settings> {
  const text = await readText(path, path).catch(unreadable('--config', path));
  const { text: source, value } = parseYaml(text, path, z.toJSONSchema(Settings, { io: 'input' }));
  const { success, data, error } = Settings.safeParse(value ?? {});
  if (!success) throw new Error(faultsOf(source, error.issues[0]!, 1)[0]);
  const from = (one: string) => resolve(dirname(path), one);
  const { tls, jwt } = data;
  if (Object.values(data.callers).some(({ proof }) => proof.by === 'jwt') && !jwt)
    throw new Error(`${path}: a caller proves itself by a JWT, and jwt does not say who issues them`);
  if (Object.values(data.callers).some(({ proof }) => proof.by === 'certificate') && !tls?.clientCa)
    throw new Error(`${path}: a caller proves itself by a certificate, and tls.clientCa names nobody's`);
  return {
    ...data,
    ...(tls && {
      tls: {
        cert: from(tls.cert),
        key: from(tls.key),
        ...(tls.clientCa && { clientCa: from(tls.clientCa) }),
      },
    }),
    ...(jwt && { jwt: { ...jwt, jwks: /^https?:/.test(jwt.jwks) ? jwt.jwks : from(jwt.jwks) } }),
  };
}

/** @param of whose it is. @throws Error that names the variable or the file */
export async function secret(of: string, where: z.infer<typeof Secret>, folder: string): Promise<string> {
  const found =
    'env' in where
      ? secretOf(where.env)
      : (await readFile(resolve(folder, where.file), 'utf8').catch(unreadable(of, where.file))).trim();
  if (found === undefined)
    throw new Error(`${(where as { env: string }).env}, the secret of ${of}, is not set`);
  return found;
}

/** That of a signature, which is worth what it would take to guess it. @throws Error */
export async function signingSecret(
  of: string,
  where: z.infer<typeof Secret>,
  folder: string,
): Promise<string> {
  const found = await secret(of, where, folder);
  if (found.length < 16) throw new Error(`the secret of ${of} has ${found.length} characters; it needs 16`);
  return found;
}

/** Of databases that are polled, by the poll's name. @throws Error that names the variable or the file */
export async function passwordsOf({ polls }: Settings, folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const [name, poll] of Object.entries(polls))
    if ('database' in poll && poll.password)
      found.set(name, await secret(`polls.${name}`, poll.password, folder));
  return found;
}
