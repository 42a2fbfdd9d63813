/** What commands share: a session opened and closed around them, and who is asking. */
import { userInfo } from 'node:os';
import type { Esteira } from '../index.ts';
import { openEsteira } from '../session.ts';

export async function withEsteira<T>(use: (esteira: Esteira) => Promise<T>): Promise<T> {
  const esteira = await openEsteira();
  try {
    return await use(esteira);
  } finally {
    await esteira.close();
  }
}

/** The name of the account that runs the command: a claim, not a proof. */
export function person(): string {
  return userInfo().username;
}
