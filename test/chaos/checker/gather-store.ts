/** The store, read once: named objects as JSON, blobs by the digest of their bytes, canaries in both. */
import { fileChunks } from '../../../infra/store/verify.ts';
import { createHash } from 'node:crypto';
import type { Store } from '../../../infra/store/store.ts';
import type { Evidence } from './evidence.ts';

type Stored = Pick<Evidence, 'objects' | 'unreadable' | 'blobs' | 'documents' | 'canariesSeen'> & {
  /** Keys of predictions, labels and pushed rows. */
  parquet: string[];
};

/** Packages, pinned projects and manifests are smaller; profiles and scorecards may be kept as well. */
const documentBytes = 256 * 1024;

export async function readStore(store: Store, canaries: string[]): Promise<Stored> {
  const stored: Stored = {
    objects: {},
    unreadable: [],
    blobs: {},
    documents: {},
    canariesSeen: [],
    parquet: [],
  };
  for await (const { key } of store.list('')) {
    const see = seer(canaries, key, stored.canariesSeen);
    see(key);
    if (key.startsWith('blobs/')) await readBlob(store, key, stored, see);
    else if (/^(predictions|labels|landing)\/.*\.parquet$/.test(key)) stored.parquet.push(key);
    else if (key.startsWith('inbox/index/'))
      continue; // follows from the ledger
    else await readObject(store, key, stored, see);
  }
  return stored;
}

async function readObject(store: Store, key: string, stored: Stored, see: See): Promise<void> {
  const found = await store.read(key);
  if (!found) return; // deleted since it was listed
  const text = Buffer.from(found.bytes).toString();
  see(text);
  try {
    stored.objects[key] = JSON.parse(text) as unknown;
  } catch (error) {
    stored.unreadable.push({ key, why: String(error) });
  }
}

/** Rows of data may hold what no other blob may: so Parquet, which says who it is, is not searched. */
async function readBlob(store: Store, key: string, stored: Stored, see: See): Promise<void> {
  const hash = createHash('sha256');
  const head: Buffer[] = [];
  let bytes = 0;
  let tail = Buffer.alloc(0);
  let isData = false;
  for await (const chunk of fileChunks(await store.localKey(key))) {
    const piece = Buffer.from(chunk);
    if (bytes === 0) isData = piece.subarray(0, 4).toString() === 'PAR1';
    hash.update(piece);
    bytes += piece.byteLength;
    if (bytes <= documentBytes) head.push(piece);
    if (isData) continue;
    // A word may lie across two chunks.
    see(Buffer.concat([tail, piece]).toString('latin1'));
    tail = piece.subarray(-200);
  }
  const sha256 = hash.digest('hex');
  stored.blobs[key] = { sha256, bytes };
  if (bytes > documentBytes || isData || head[0]?.[0] !== 123) return; // {
  try {
    stored.documents[sha256] = JSON.parse(Buffer.concat(head).toString()) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error; // then it is not JSON: ONNX may begin with any byte
  }
}

export type See = (text: string) => void;

/** Remembers each canary once a place. */
export function seer(canaries: string[], where: string, seen: Evidence['canariesSeen']): See {
  const waiting = new Set(canaries);
  return (text) => {
    for (const canary of waiting) {
      if (!text.includes(canary)) continue;
      seen.push({ canary, where });
      waiting.delete(canary);
    }
  };
}
