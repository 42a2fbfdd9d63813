/** Keys: what an object may be called, and where a blob lies. */
import { permanent } from '../../contracts/failures.ts';

/** Key of the blob with these bytes. */
export function blobKey(sha256: string): string {
  return `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`;
}

/** S3 allows 1,024 bytes; the other half is for the store's own prefix. */
const longest = 512;

/**
 * Names that mean the same on every file system and in S3: no way out of the store, no hidden files.
 * @throws InvalidInput
 */
export function checkKey(key: string): string {
  if (key.length === 0 || key.length > longest) throw invalid(key, `must have 1 to ${longest} characters`);
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\u0000-\u001f\u007f\\]/.test(key)) throw invalid(key, 'holds a backslash or a control character');
  const segments = key.split('/');
  if (segments.includes('')) throw invalid(key, 'has an empty segment');
  if (segments.some((segment) => segment.startsWith('.')))
    throw invalid(key, 'has a segment that starts with a dot');
  return key;
}

function invalid(key: string, why: string) {
  const shown = JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
  return permanent('InvalidInput', `store key ${shown} ${why}`, { issues: [why] });
}
