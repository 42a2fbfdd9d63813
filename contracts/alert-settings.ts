/** `alerts` of `esteira.yaml`: whose they are, how bad, how often, and where they go. Secrets by name, never by value. */
import { z } from 'zod';
import { Duration, Person } from './artifact.ts';
import { Severity } from './alert.ts';

/** `pager` is read from ESTEIRA_SECRET_PAGER, or from the file that ESTEIRA_SECRET_PAGER_FILE names. */
export const SecretName = z
  .string()
  .max(63)
  .regex(/^[a-z][a-z0-9_]*$/, 'must be the name of a secret: lower-case letters, digits and _');

/** Of http or https, and without a password: that would be a secret in a file. */
const Address = z
  .url({ protocol: /^https?$/, error: 'must be an address, http://… or https://…' })
  .max(2_000)
  .refine((text) => !/^[a-z]+:\/\/[^/]*@/i.test(text), 'must bear no user and password; use a secret');

const where = {
  url: Address.optional(),
  /** Where the address itself is a secret, as with Slack. */
  urlSecret: SecretName.optional(),
};
const hasOne = ({ url, urlSecret }: { url?: string | undefined; urlSecret?: string | undefined }) =>
  (url === undefined) !== (urlSecret === undefined);
const oneAddress = 'must have either url or urlSecret';

const common = {
  /** In ids and records; what it goes to, with a number from the second, if absent. */
  name: z
    .string()
    .max(40)
    .regex(/^[a-z][a-z0-9-]*$/, 'must be lower-case letters, digits and dashes')
    .optional(),
  /** Less severe alerts do not go there. */
  severity: Severity.default('info'),
};

export const Sink = z.discriminatedUnion('to', [
  z.strictObject({ to: z.literal('log'), ...common }),
  z
    .strictObject({
      to: z.literal('webhook'),
      ...where,
      /** Signs; several while one replaces another. */
      secret: z.union([SecretName, z.array(SecretName).min(1).max(3)]).optional(),
      ...common,
    })
    .refine(hasOne, oneAddress),
  z.strictObject({ to: z.literal('slack'), ...where, ...common }).refine(hasOne, oneAddress),
  z.strictObject({
    to: z.literal('email'),
    from: z.string().min(3).max(320),
    recipients: z.array(z.email()).min(1).max(50),
    /** The secret is an address: `smtps://user:password@host`, or `smtp://host:587`. */
    server: SecretName,
    ...common,
  }),
  z.strictObject({ to: z.literal('alertmanager'), ...where, ...common }).refine(hasOne, oneAddress),
]);
export type Sink = z.infer<typeof Sink>;

export const AlertSettings = z.strictObject({
  /** Who is to act; the project's owner, if absent. */
  owner: Person.optional(),
  /** `{kind}` and `{key}` stand for those of the alert. */
  runbook: z
    .url({ protocol: /^https?$/ })
    .max(1_000)
    .optional(),
  /** By kind (`drift`) or by key (`drift/price`), which goes first. */
  severity: z
    .record(z.string().min(1).max(200), Severity)
    .refine((record) => Object.keys(record).length <= 200, 'must have at most 200 entries')
    .default({}),
  /** Between messages about one that nobody has acknowledged. */
  remind: Duration.default('3d'),
  /** Ticks that judged and did not find it, one after the other, until it is closed. */
  quietTicks: z.int().min(1).max(100).default(1),
  /** Found again so soon, it is the same alert. */
  reopenWithin: Duration.default('3d'),
  sinks: z
    .array(Sink)
    .max(10)
    .refine((sinks) => {
      const names = sinks.flatMap(({ name }) => name ?? []);
      return new Set(names).size === names.length;
    }, 'must have different names')
    .default([{ to: 'log', severity: 'info' }]),
});
export type AlertSettings = z.infer<typeof AlertSettings>;
