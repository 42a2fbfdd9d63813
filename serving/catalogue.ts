/** What the protocols know of models: a replica that follows the belt, or files that somebody wants to try. */
import type { Route } from '../contracts/serving.ts';
import type { ByteWriter } from './block.ts';
import type { LoadedVersion } from './loaded-version.ts';

/** Which version answers, and why. */
export interface Routed {
  version: LoadedVersion;
  route: Exclude<Route, 'shadow'>;
  epoch: number;
}

/** Of one epoch; replaced as a whole. */
export interface HostState {
  epoch: number;
  champion: LoadedVersion | undefined;
  challenger: (LoadedVersion & { share: number; shadow: number }) | undefined;
}

export interface Host {
  readonly name: string;
  readonly state: HostState;
  readonly ready: boolean;
  /** Versions in memory, the champion first. */
  readonly loaded: readonly LoadedVersion[];
  /** @returns which version answers a caller with this key */
  route(key: string): Routed | undefined;
}

/** Resolves when the rows are written. */
export type Append = (write: (to: ByteWriter) => void, rows: number) => Promise<void>;

export interface Catalogue {
  readonly hosts: readonly Host[];
  /** Whether all are known that will ever be, so that a model which is not here is known not to be. */
  readonly looked: boolean;
  readonly ready: boolean;
  readonly stopping: boolean;
  host(model: string): Host | undefined;
  /**
   * Where the rows of a request go before they are answered.
   * @returns undefined where they are not to be logged. @throws Refusal 503 when there is no room for them
   */
  log(version: LoadedVersion, id: string): Append | undefined;
  besideFailed(version: LoadedVersion, error: unknown): void;
}
