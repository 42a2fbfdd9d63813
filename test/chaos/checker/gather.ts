/**
 * Collects the evidence of a run, in two steps because they need different worlds: `askServer` while Temporal and a
 * worker are up and everything has come to rest, `gather` at any time, best after all was stopped.
 */
import type { StackFile } from '../../../client/stack-file.ts';
import type { Store } from '../../../infra/store/store.ts';
import type { Acknowledged, Disturbance } from './acknowledged.ts';
import type { Evidence } from './evidence.ts';
import { lookAround } from './gather-home.ts';
import { readRows } from './gather-rows.ts';
import type { ServerEvidence } from './gather-server.ts';
import { readStore } from './gather-store.ts';

export { askServer } from './gather-server.ts';
export type { ServerEvidence } from './gather-server.ts';

export interface Place {
  store: Store;
  /** Root of a `file:` store: temporary files and locks lie beside its keys. */
  storeFolder?: string;
  /** `ESTEIRA_HOME`. */
  home: string;
  /** Where an S3 store keeps its downloads: `<cacheHome>/artifacts`. */
  cacheDir?: string;
  server: ServerEvidence;
  /** Everything was ended in order: no process, port or journal may be left. */
  stopped: boolean;
  acknowledged: Acknowledged[];
  disturbances: Disturbance[];
  /** Words that stand for secrets and personal data; letters and digits, so that every encoding keeps them. */
  canaries: string[];
  /** Nobody may listen here once all is stopped. */
  ports?: number[];
  /** Multipart uploads that an S3 store still holds. */
  uploads?: string[];
}

/** What a stack listened on. */
export function portsOf(stack: Pick<StackFile, 'address' | 'servingUrl' | 'gatewayUrl'>): number[] {
  return [stack.servingUrl, stack.gatewayUrl!, `http://${stack.address}`].map((url) =>
    Number(new URL(url).port),
  );
}

export async function gather(place: Place): Promise<Evidence> {
  const { store, server, stopped, acknowledged, disturbances, canaries } = place;
  const stored = await readStore(store, canaries);
  const around = await lookAround(place);
  const rows = await readRows(store, stored.parquet);
  return {
    gatheredAt: new Date().toISOString(),
    ...{ stopped, acknowledged, disturbances, canaries, ...server },
    ...{ objects: stored.objects, unreadable: stored.unreadable },
    ...{ blobs: stored.blobs, documents: stored.documents },
    predictions: [...rows.predictions, ...around.predictions],
    labels: [...rows.labels, ...around.labels],
    landed: rows.landed,
    lateLines: around.lateLines,
    canariesSeen: [...stored.canariesSeen, ...around.canariesSeen],
    left: around.left,
  };
}
