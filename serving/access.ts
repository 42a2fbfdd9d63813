/**
 * Who may ask what. Bearer tokens are known by their hashes only, so that who reads the file can ask nothing; tokens that
 * an identity provider signs are checked against its keys. Without either, whoever reaches the port may ask.
 */
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { AccessSettings } from '../infra/config-serving.ts';
import { sha256 } from '../infra/digest.ts';
import { Refusal } from './refusal.ts';
import { unreadable } from './start-faults.ts';

/** `predict`: inference, metadata, labels. `admin`: metrics and what tells of the server. */
export const Scope = z.enum(['predict', 'admin']);
export type Scope = z.infer<typeof Scope>;

const TokenFile = z.object({
  tokens: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(100),
        /** Of the token, in hex. */
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        scopes: z.array(Scope).min(1),
        /** Models that it may ask; all, if absent. */
        models: z.array(z.string()).optional(),
      }),
    )
    .max(10_000),
});

/** What the bearer of a token may do. */
export interface Grant {
  name: string;
  scopes: readonly Scope[];
  models: readonly string[] | undefined;
}

export interface Access {
  /** @param authorization the header. @returns at once where it can. @throws Refusal 401 */
  identify(authorization: string | undefined): Grant | Promise<Grant>;
}

/** Signed tokens are remembered until they expire, at most so many. */
const rememberedAtMost = 10_000;
/** One that never ends could not be taken back. */
const requiredClaims = ['exp'];

/** @throws Error that names the file and what is wrong in it */
export async function openAccess({ tokens, jwt }: AccessSettings): Promise<Access> {
  const known = tokens === undefined ? new Map<string, Grant>() : await readTokens(tokens);
  const keys = jwt && (await keysOf(jwt.jwks));
  const remembered = new Map<string, { grant: Grant; until: number }>();
  const verify = async (token: string): Promise<Grant> => {
    const { issuer, audience } = jwt!;
    const { payload } = await jwtVerify(token, keys!, { issuer, audience, requiredClaims }).catch(
      refuseToken,
    );
    const grant = grantOf(payload);
    if (remembered.size >= rememberedAtMost) remembered.clear();
    if (payload.exp !== undefined) remembered.set(token, { grant, until: payload.exp * 1_000 });
    return grant;
  };
  return {
    identify(authorization) {
      const token = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined)
        throw new Refusal(401, 'a bearer token is needed, in the header Authorization');
      const grant = known.get(sha256(token));
      if (grant) return grant;
      const before = remembered.get(token);
      if (before && before.until > Date.now()) return before.grant;
      if (jwt && token.split('.').length === 3) return verify(token);
      throw new Refusal(401, 'the token is not known here');
    },
  };
}

/** @throws Refusal 403 */
export function permit({ name, scopes, models }: Grant, scope: Scope, model?: string): void {
  if (!scopes.includes(scope))
    throw new Refusal(403, `${name} may not do this; it needs the scope "${scope}"`);
  if (model !== undefined && models && !models.includes(model))
    throw new Refusal(403, `${name} may not ask model "${model.slice(0, 100)}"`);
}

async function readTokens(path: string): Promise<Map<string, Grant>> {
  const parsed = TokenFile.safeParse(await readJsonFile('ESTEIRA_SERVING_TOKENS', path));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${path}: ${issue!.path.join('.')} ${issue!.message}`);
  }
  return new Map(
    parsed.data.tokens.map(({ sha256, name, scopes, models }) => [sha256, { name, scopes, models }]),
  );
}

async function keysOf(jwks: string): Promise<JWTVerifyGetKey> {
  if (/^https?:/.test(jwks)) return createRemoteJWKSet(new URL(jwks));
  const set = await readJsonFile('ESTEIRA_SERVING_JWKS', jwks);
  try {
    return createLocalJWKSet(set as JSONWebKeySet);
  } catch (error) {
    throw new Error(`${jwks} is no JSON Web Key Set`, { cause: error });
  }
}

/** @throws Error that names the setting and the file */
async function readJsonFile(setting: string, path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(unreadable(setting, path));
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error(`${path}, which ${setting} names, is not JSON`, { cause: error });
  }
}

/** `scope` is a list in one string (RFC 8693, 4.2); only words that are scopes here count. */
function grantOf({ sub, scope }: JWTPayload): Grant {
  const words = typeof scope === 'string' ? scope.split(' ') : [];
  const scopes = Scope.options.filter((one) => words.includes(one));
  return { name: sub ?? 'the bearer', scopes, models: undefined };
}

function refuseToken(error: unknown): never {
  if (error instanceof errors.JWTExpired) throw new Refusal(401, 'the token has expired');
  if (error instanceof errors.JOSEError) throw new Refusal(401, `the token is not valid: ${error.message}`);
  throw error;
}
