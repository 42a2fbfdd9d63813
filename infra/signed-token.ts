/** Tokens that an identity provider signs (JWT), checked against its keys. */
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import { Refusal } from './refusal.ts';
import { unreadable } from './start-faults.ts';

export interface Issuer {
  /** Address or path of its JSON Web Key Set. */
  jwks: string;
  issuer: string;
  audience: string;
}

/** One that never ends could not be taken back. */
const requiredClaims = ['exp'];

/**
 * @param setting that names the key set, for error sentences
 * @returns what a token claims. It throws Refusal 401 for one that does not hold
 * @throws Error that names the file and what is wrong in it
 */
export async function openSignedTokens(
  { jwks, issuer, audience }: Issuer,
  setting: string,
): Promise<(token: string) => Promise<JWTPayload>> {
  const keys = await keysOf(jwks, setting);
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, requiredClaims }).catch(refuseToken);
    return payload;
  };
}

async function keysOf(jwks: string, setting: string): Promise<JWTVerifyGetKey> {
  if (/^https?:/.test(jwks)) return createRemoteJWKSet(new URL(jwks));
  const set = await readJsonFile(setting, jwks);
  try {
    return createLocalJWKSet(set as JSONWebKeySet);
  } catch (error) {
    throw new Error(`${jwks} is no JSON Web Key Set`, { cause: error });
  }
}

/** @throws Error that names the setting and the file */
export async function readJsonFile(setting: string, path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(unreadable(setting, path));
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error(`${path}, which ${setting} names, is not JSON`, { cause: error });
  }
}

function refuseToken(error: unknown): never {
  if (error instanceof errors.JWTExpired) throw new Refusal(401, 'the token has expired');
  if (error instanceof errors.JOSEError) throw new Refusal(401, `the token is not valid: ${error.message}`);
  throw error;
}
