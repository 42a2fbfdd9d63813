/** The door that every request goes through, by whatever protocol: who it is, what it may do, how often. */
import type { Access, Grant, Scope } from './access.ts';
import { permit } from './access.ts';
import type { Rates } from '../infra/rates.ts';

export interface Caller {
  authorization: string | undefined;
  /** The address it comes from: what a client without a name is counted by. */
  address: string | undefined;
}

export class Gate {
  readonly #access: Access | undefined;
  readonly #rates: Rates | undefined;

  constructor(access?: Access, rates?: Rates) {
    this.#access = access;
    this.#rates = rates;
  }

  /**
   * @param scope none where there is nothing: whoever is known is told so
   * @returns undefined when it may pass at once; else wait. @throws Refusal 401, 403, 429
   */
  admit(caller: Caller, scope: Scope | undefined, model?: string): Promise<void> | undefined {
    const grant = this.#access?.identify(caller.authorization);
    if (grant instanceof Promise) return grant.then((found) => this.#pass(found, caller, scope, model));
    this.#pass(grant, caller, scope, model);
    return undefined;
  }

  #pass(grant: Grant | undefined, { address }: Caller, scope: Scope | undefined, model?: string): void {
    if (grant && scope) permit(grant, scope, model);
    this.#rates?.take(grant?.name ?? address ?? '');
  }
}
