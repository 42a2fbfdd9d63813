/** What a graph itself says that it takes and gives, for files that come from elsewhere. */
import type { InferenceSession } from 'onnxruntime-node';
import type { Ports, TensorSpec } from '../../contracts/serving.ts';
import { datatypeOf, isFloat } from './datatypes.ts';

/**
 * Dimensions with a name, or none, are open. Outputs that are no tensors (the maps that scikit-learn's converters make of
 * probabilities, for one) are left out.
 *
 * @throws Error for an input that is no tensor, and for a graph without an output that is one
 */
export function portsOf(session: InferenceSession): Ports & { left: string[] } {
  const inputs = session.inputMetadata.map((value) => {
    const spec = specOf(value);
    if (spec) return { ...spec, ...(isFloat(spec.datatype) && { nullable: true }) };
    throw new Error(`input ${value.name} is no tensor`);
  });
  const outputs = session.outputMetadata.map(specOf).filter((spec) => spec !== undefined);
  if (outputs.length === 0) throw new Error('no output is a tensor');
  const left = session.outputNames.filter((name) => !outputs.some((spec) => spec.name === name));
  return { inputs, outputs, left };
}

function specOf(value: InferenceSession.ValueMetadata): TensorSpec | undefined {
  if (!value.isTensor) return undefined;
  const datatype = datatypeOf(value.type);
  if (!datatype) return undefined;
  return {
    name: value.name,
    datatype,
    shape: value.shape.map((size) => (typeof size === 'number' && size > 0 ? size : -1)),
  };
}
