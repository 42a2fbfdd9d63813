/**
 * The index of the ledger in the store: one file of fingerprints for each full folder of batches, so that a gateway that
 * starts need not read every batch there ever was. What a file holds follows from the batches: whoever writes it first,
 * writes what all would.
 */
import type { Batch } from '../../contracts/inbox.ts';
import type { Store } from '../../infra/store/store.ts';
import type { Fingerprints } from './fingerprints.ts';
import { halves } from './fingerprints.ts';
import { batchesAFolder, folderOf, segmentKey } from './keys.ts';

/** Low half, high half, batch: four bytes each, little-endian. */
const entryBytes = 12;

export class Segments {
  readonly #store: Store;
  readonly #table: Fingerprints;
  /** Entries of the folder that is not full yet. */
  #open: number[] = [];

  constructor(store: Store, table: Fingerprints) {
    this.#store = store;
    this.#table = table;
  }

  /** @returns the first batch that no segment covers */
  async load(): Promise<number> {
    for (let folder = 0; ; folder++) {
      const found = await this.#store.read(segmentKey(folder));
      if (!found) return folder * batchesAFolder;
      const { buffer, byteOffset, byteLength } = found.bytes;
      const view = new DataView(buffer, byteOffset, byteLength);
      for (let at = 0; at < byteLength; at += entryBytes)
        this.#table.put(view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true));
    }
  }

  /** @param names digests of its events' names. In order, each batch once. Rejects when a full segment cannot be written */
  async add({ seq }: Batch, names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#table.add(name, seq);
      this.#open.push(...halves(name), seq);
    }
    if ((seq + 1) % batchesAFolder !== 0) return;
    const entries = this.#open;
    this.#open = [];
    const bytes = Buffer.alloc(entries.length * 4);
    entries.forEach((entry, i) => bytes.writeUInt32LE(entry, i * 4));
    await this.#store.create(segmentKey(folderOf(seq)), bytes);
  }
}
