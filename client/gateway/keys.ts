/** Where the ledger lies in the store. Numbers have twelve digits, so that listings are in order. */
import type { Target } from '../../contracts/inbox.ts';

/** Batches a folder, and a segment of the index. */
export const batchesAFolder = 1_000;

const digits = (n: number): string => String(n).padStart(12, '0');

export const folderOf = (seq: number): number => Math.floor(seq / batchesAFolder);
export const batchKey = (seq: number): string => `inbox/log/${digits(folderOf(seq))}/${digits(seq)}.json`;
export const heardKey = (seq: number): string => `inbox/heard/${digits(folderOf(seq))}/${digits(seq)}.json`;
export const segmentKey = (folder: number): string => `inbox/index/${digits(folder)}.bin`;
export const driveKey = (target: Target, n: number): string => `inbox/drives/${target}/${digits(n)}.json`;
export const drivenKey = (target: Target, n: number): string => `inbox/driven/${target}/${digits(n)}.json`;
export const settledKey = 'inbox/settled.json';
