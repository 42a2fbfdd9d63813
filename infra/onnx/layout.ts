/**
 * The messages of ONNX up to IR version 12, field by field: `number: 'name type'`, `*` when it may repeat.
 *
 * Absent on purpose: `segment` of a tensor (nobody implements it) and placement on devices (whose, is not for a model
 * to say). What is absent here is refused, as is what a later ONNX adds.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

/** What the bytes of a field are; any other word is the name of a message. */
const scalars = ['int', 'float', 'double', 'text'] as const;
export type Scalar = (typeof scalars)[number];

export interface FieldSpec {
  name: string;
  scalar: Scalar | undefined;
  message: MessageName | undefined;
  many: boolean;
}

const described = {
  Model: {
    ...{ 1: 'ir_version int', 2: 'producer_name text', 3: 'producer_version text', 4: 'domain text' },
    ...{ 5: 'model_version int', 6: 'doc_string text', 7: 'graph Graph', 8: 'opset_import Opset*' },
    ...{ 14: 'metadata_props Entry*', 20: 'training_info Training*', 25: 'functions Function*' },
  },
  Graph: {
    ...{ 1: 'node Node*', 2: 'name text', 5: 'initializer Tensor*', 10: 'doc_string text' },
    ...{ 11: 'input Value*', 12: 'output Value*', 13: 'value_info Value*' },
    ...{ 14: 'quantization_annotation Annotation*', 15: 'sparse_initializer Sparse*' },
    16: 'metadata_props Entry*',
  },
  Node: {
    ...{ 1: 'input text*', 2: 'output text*', 3: 'name text', 4: 'op_type text', 5: 'attribute Attribute*' },
    ...{ 6: 'doc_string text', 7: 'domain text', 8: 'overload text', 9: 'metadata_props Entry*' },
  },
  Attribute: {
    ...{ 1: 'name text', 2: 'f float', 3: 'i int', 4: 's text', 5: 't Tensor', 6: 'g Graph' },
    ...{ 7: 'floats float*', 8: 'ints int*', 9: 'strings text*', 10: 'tensors Tensor*', 11: 'graphs Graph*' },
    ...{ 13: 'doc_string text', 14: 'tp Type', 15: 'type_protos Type*', 20: 'type int' },
    ...{ 21: 'ref_attr_name text', 22: 'sparse_tensor Sparse', 23: 'sparse_tensors Sparse*' },
  },
  Tensor: {
    ...{ 1: 'dims int*', 2: 'data_type int', 4: 'float_data float*', 5: 'int32_data int*' },
    ...{ 6: 'string_data text*', 7: 'int64_data int*', 8: 'name text', 9: 'raw_data text' },
    ...{ 10: 'double_data double*', 11: 'uint64_data int*', 12: 'doc_string text' },
    ...{ 13: 'external_data Entry*', 14: 'data_location int', 16: 'metadata_props Entry*' },
  },
  Sparse: { 1: 'values Tensor', 2: 'indices Tensor', 3: 'dims int*' },
  Function: {
    ...{ 1: 'name text', 4: 'input text*', 5: 'output text*', 6: 'attribute text*', 7: 'node Node*' },
    ...{
      8: 'doc_string text',
      9: 'opset_import Opset*',
      10: 'domain text',
      11: 'attribute_proto Attribute*',
    },
    ...{ 12: 'value_info Value*', 13: 'overload text', 14: 'metadata_props Entry*' },
  },
  Training: {
    ...{ 1: 'initialization Graph', 2: 'algorithm Graph' },
    ...{ 3: 'initialization_binding Entry*', 4: 'update_binding Entry*' },
  },
  Value: { 1: 'name text', 2: 'type Type', 3: 'doc_string text', 4: 'metadata_props Entry*' },
  Type: {
    ...{ 1: 'tensor_type TensorType', 4: 'sequence_type Element', 5: 'map_type Map', 6: 'denotation text' },
    ...{ 8: 'sparse_tensor_type TensorType', 9: 'optional_type Element' },
  },
  TensorType: { 1: 'elem_type int', 2: 'shape Shape' },
  Element: { 1: 'elem_type Type' },
  Map: { 1: 'key_type int', 2: 'value_type Type' },
  Shape: { 1: 'dim Dimension*' },
  Dimension: { 1: 'dim_value int', 2: 'dim_param text', 3: 'denotation text' },
  Annotation: { 1: 'tensor_name text', 2: 'quant_parameter_tensor_names Entry*' },
  Opset: { 1: 'domain text', 2: 'version int' },
  Entry: { 1: 'key text', 2: 'value text' },
} as const satisfies Record<string, Record<number, string>>;

export type MessageName = keyof typeof described;

/** By message, then by field number. */
export const layouts = new Map(
  Object.entries(described).map(([message, fields]) => [
    message as MessageName,
    new Map(Object.entries(fields).map(([number, text]) => [Number(number), specOf(text)])),
  ]),
);

function specOf(text: string): FieldSpec {
  const [name, type] = text.split(' ') as [string, string];
  const many = type.endsWith('*');
  const word = many ? type.slice(0, -1) : type;
  const scalar = scalars.find((one) => one === word);
  return { name, many, scalar, message: scalar ? undefined : (word as MessageName) };
}
