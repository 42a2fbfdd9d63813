/**
 * What a file that is no ONNX is, by its first bytes: for the sentence that refuses it. The control is that only what
 * is laid out as ONNX gets further; this only saves its reader a guess.
 */

const beginnings: [string, Uint8Array][] = [
  ['a zip archive, as PyTorch (.pt), Keras and NumPy (.npz) write them', Buffer.from('PK')],
  ['an HDF5 file, as Keras (.h5) writes them', Buffer.from('\u0089HDF', 'latin1')],
  ['a NumPy array', Buffer.from('\u0093NUMPY', 'latin1')],
  ['gzip data', Buffer.from([0x1f, 0x8b])],
  ['zlib data, as joblib writes it', Buffer.from([0x78, 0x9c])],
  ['a program', Buffer.from('\u007fELF', 'latin1')],
];

/** @returns undefined for what may be ONNX */
export function otherFormat(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'an empty file';
  const found = beginnings.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte));
  if (found) return found[0];
  // Protocol 2 and later begin with PROTO and its number, and end with STOP.
  const [first, second] = bytes;
  if (first === 0x80 && second! >= 2 && second! <= 5) return 'a pickle, which is a program and not data';
  if (first === 0x28 && bytes.at(-1) === 0x2e) return 'a pickle, which is a program and not data';
  return isSafetensors(bytes) ? 'a safetensors file, which has weights but no graph' : undefined;
}

/** Eight bytes of length, then JSON. */
function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 9 && bytes[8] === 0x7b && bytes.subarray(4, 8).every((byte) => byte === 0);
}
