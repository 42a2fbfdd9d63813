/**
 * Who asks, and what they may. Without settings there is one caller, `local`, who may do all, and only this machine is
 * listened to.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { sha256 } from '../../infra/digest.ts';
import { Refusal } from '../../infra/refusal.ts';
import { openSignedTokens } from '../../infra/signed-token.ts';
import { fits } from './rules.ts';
import type { Proof, Scope, Settings } from './settings.ts';
import { Scope as Scopes, signingSecret } from './settings.ts';
import { signatures } from './signatures.ts';

export interface Caller {
  name: string;
  may: readonly Scope[];
  models: readonly string[] | undefined;
  sources: readonly string[] | undefined;
}

/** Whose proof is over the body, which is not read yet. */
export interface Unproved {
  /** @throws Refusal 401 */
  prove(request: IncomingMessage, body: Buffer): Caller;
}

export const local: Caller = { name: 'local', may: Scopes.options, models: undefined, sources: undefined };

export interface Callers {
  /** @param named by `?caller=`. @throws Refusal 401 */
  identify(request: IncomingMessage, named: string | undefined): Promise<Caller | Unproved>;
}

export const anybody: Callers = { identify: async () => local };

/** @param folder that paths of secrets are relative to. @throws Error that names what is missing */
export async function openCallers({ callers, jwt }: Settings, folder: string): Promise<Callers> {
  const all = Object.entries(callers).map(([name, { proof, may, models, sources }]) => ({
    proof,
    caller: { name, may, models, sources } satisfies Caller,
  }));
  const by = <B extends Proof['by']>(kind: B) =>
    all.flatMap(({ proof, caller }) =>
      proof.by === kind ? [{ caller, proof: proof as Extract<Proof, { by: B }> }] : [],
    );
  const tokens = new Map(by('token').map(({ caller, proof }) => [proof.sha256, caller]));
  const subjects = new Map(by('jwt').map(({ caller, proof }) => [proof.subject, caller]));
  const certificates = new Map(by('certificate').map(({ caller, proof }) => [proof.commonName, caller]));
  const signed = new Map<string, Unproved>();
  for (const { caller, proof } of [...by('standard-webhooks'), ...by('github'), ...by('gitlab')])
    signed.set(
      caller.name,
      unproved(caller, proof.by, await signingSecret(caller.name, proof.secret, folder)),
    );
  const verify = jwt && (await openSignedTokens(jwt, 'jwt.jwks'));
  return {
    async identify(request, named) {
      const signer = named === undefined ? undefined : signed.get(named);
      if (signer) return signer;
      const known = certificates.get(commonNameOf(request) ?? '');
      if (known) return known;
      const token = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
      if (token === undefined)
        throw new Refusal(
          401,
          'say who asks: a bearer token in Authorization, or ?caller=<name> for who signs',
        );
      const found = tokens.get(sha256(token));
      if (found) return found;
      if (!verify || token.split('.').length !== 3) throw new Refusal(401, 'the token is not known here');
      return subjectOf((await verify(token)).sub, subjects);
    },
  };
}

function unproved(caller: Caller, kind: keyof typeof signatures, key: string): Unproved {
  return {
    prove(request, body) {
      signatures[kind](request.headers, body, key, Date.now());
      return caller;
    },
  };
}

function subjectOf(subject: string | undefined, subjects: ReadonlyMap<string, Caller>): Caller {
  const known = subjects.get(subject ?? '');
  if (known) return known;
  const any = subjects.get('*');
  if (any && subject) return { ...any, name: subject.slice(0, 100) };
  throw new Refusal(401, 'the token holds, and its subject is nobody that is known here');
}

/** Only of a certificate that one of `tls.clientCa` vouches for. */
function commonNameOf(request: IncomingMessage): string | undefined {
  const socket = request.socket as Partial<TLSSocket>;
  if (!socket.authorized) return undefined;
  const name: unknown = socket.getPeerCertificate?.().subject?.CN;
  return typeof name === 'string' ? name : undefined;
}

/** @throws Refusal 403 */
export function permit({ name, may, models }: Caller, scope: Scope, model?: string): void {
  if (!may.includes(scope)) throw new Refusal(403, `${name} may not do this; it needs "${scope}" in its may`);
  if (model !== undefined && models && !models.includes(model))
    throw new Refusal(403, `${name} may not ask of model "${model.slice(0, 100)}"`);
}

/** @throws Refusal 403 */
export function permitSource({ name, sources }: Caller, source: string): void {
  if (sources && !sources.some((pattern) => fits(source, pattern)))
    throw new Refusal(403, `${name} may not speak for the source ${source.slice(0, 100)}`);
}
