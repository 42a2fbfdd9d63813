/**
 * Who may ask what. Bearer tokens are known by their hashes only, so that who reads the file can ask nothing; tokens that
 * an identity provider signs are checked against its keys. Without either, whoever reaches the port may ask.
 */
import type { JWTPayload } from 'jose';
import { z } from 'zod';
import type { AccessSettings } from '../infra/config-serving.ts';
import { sha256 } from '../infra/digest.ts';
import { Refusal } from '../infra/refusal.ts';
import { openSignedTokens, readJsonFile } from '../infra/signed-token.ts';

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

/** @throws Error that names the file and what is wrong in it */
export async function openAccess({ tokens, jwt }: AccessSettings): Promise<Access> {
  const known = tokens === undefined ? new Map<string, Grant>() : await readTokens(tokens);
  const signed = jwt && (await openSignedTokens(jwt, 'ESTEIRA_SERVING_JWKS'));
  const remembered = new Map<string, { grant: Grant; until: number }>();
  const verify = async (token: string): Promise<Grant> => {
    const payload = await signed!(token);
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

/** `scope` is a list in one string (RFC 8693, 4.2); only words that are scopes here count. */
function grantOf({ sub, scope }: JWTPayload): Grant {
  const words = typeof scope === 'string' ? scope.split(' ') : [];
  const scopes = Scope.options.filter((one) => words.includes(one));
  return { name: sub ?? 'the bearer', scopes, models: undefined };
}
