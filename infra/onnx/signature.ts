/**
 * A packaged model says what it takes: its signature travels in the file's own metadata, so a champion
 * of last year can be scored by whoever holds its bytes.
 */
import { readFile } from 'node:fs/promises';
import { Signature } from '../../contracts/serving.ts';
import { decodeModel } from './proto.ts';

const property = 'esteira.signature';

/** For `merge` and `Graph.bytes`. */
export function signatureMetadata(signature: Signature): Record<string, string> {
  return { [property]: JSON.stringify(signature) };
}

/** @throws Error when the file is not one of our packages. */
export async function readSignature(modelPath: string): Promise<Signature> {
  const { metadataProps } = decodeModel(await readFile(modelPath));
  const found = metadataProps?.find(({ key }) => key === property)?.value;
  if (!found) throw new Error(`${modelPath} carries no signature`);
  return Signature.parse(JSON.parse(found));
}
