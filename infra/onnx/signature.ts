/**
 * A packaged model says what it takes: its signature travels in the file's own metadata, so a champion
 * of last year can be scored by whoever holds its bytes.
 */
import { Signature } from '../../contracts/serving.ts';
import { decodeModel } from './proto.ts';

const property = 'esteira.signature';

/** For `merge` and `Graph.bytes`. */
export function signatureMetadata(signature: Signature): Record<string, string> {
  return { [property]: JSON.stringify(signature) };
}

/** @throws Error when the bytes are not of one of our packages */
export function readSignature(model: Uint8Array): Signature {
  const found = decodeModel(model).metadataProps?.find(({ key }) => key === property)?.value;
  if (!found) throw new Error('the model carries no signature');
  return Signature.parse(JSON.parse(found));
}
