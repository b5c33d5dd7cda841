/**
 * A GraphProto in the making: nodes, initializers and the names of both. It knows how ONNX spells things, not which operator a node of ours becomes.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Shape, TypedArray } from '../graph/types';
import type { Initializer } from './codec';
import { AttributeProto_AttributeType as AttributeType, TensorProto_DataType as DataType } from './onnx_pb';
import type { AttributeProtoSchema, GraphProtoSchema, NodeProtoSchema, ValueInfoProtoSchema } from './onnx_pb';

/** An attribute without its name. */
export type Attribute = MessageInitShape<typeof AttributeProtoSchema>;
/** The name of a value; '' stands for an optional input that is absent. */
export type ValueName = string;

export const int = (i: number): Attribute => ({ type: AttributeType.INT, i: BigInt(i) });
export const ints = (values: readonly number[]): Attribute => ({ type: AttributeType.INTS, ints: values.map(BigInt) });
export const float = (f: number): Attribute => ({ type: AttributeType.FLOAT, f });
export const text = (s: string): Attribute => ({ type: AttributeType.STRING, s: Buffer.from(s, 'utf8') });

const DATA_TYPES = { float32: DataType.FLOAT, int32: DataType.INT32, uint8: DataType.UINT8 } as const;

export class GraphWriter {
  readonly initializers: Initializer[] = [];
  private readonly nodes: MessageInitShape<typeof NodeProtoSchema>[] = [];
  private readonly names = new Set<string>();

  /** @param reserved names that nothing else may get */
  constructor(...reserved: ValueName[]) {
    reserved.forEach((name) => this.names.add(name));
  }

  /** Adds a node with one output, named after the layer and the operator: `layer1.0.conv1/Conv`. */
  node(layer: string, opType: string, inputs: readonly ValueName[], attributes: Readonly<Record<string, Attribute>> = {}): ValueName {
    const name = this.unique(layer ? `${layer}/${opType}` : opType);
    const attribute = Object.entries(attributes).map(([key, value]) => ({ ...value, name: key }));
    this.nodes.push({ name, opType, input: [...inputs], output: [name], attribute });
    return name;
  }

  /** Adds a tensor whose numbers are read when the file is written. */
  initializer(
    wanted: string,
    dtype: keyof typeof DATA_TYPES,
    shape: Shape,
    byteLength: number,
    read: () => TypedArray | Promise<TypedArray>,
  ): ValueName {
    const name = this.unique(wanted);
    this.initializers.push({ name, shape, dataType: DATA_TYPES[dtype], byteLength, read: async () => bytesOf(await read()) });
    return name;
  }

  /** Adds float32 numbers that an operator takes as an input. */
  floats(layer: string, values: readonly number[], shape: Shape): ValueName {
    const data = Float32Array.from(values);
    return this.initializer(layer ? `${layer}/constant` : 'constant', 'float32', shape, data.byteLength, () => data);
  }

  /** Adds the int64 numbers of a shape, of axes or of amounts that an operator takes as an input. */
  integers(layer: string, values: readonly number[]): ValueName {
    const data = BigInt64Array.from(values, BigInt);
    const name = this.unique(layer ? `${layer}/constant` : 'constant');
    const bytes = new Uint8Array(data.buffer);
    this.initializers.push({ name, shape: [values.length], dataType: DataType.INT64, byteLength: bytes.length, read: () => bytes });
    return name;
  }

  /** Gives the value that the last node made, or else one that is handed on, the name of the graph's output. */
  output(value: ValueName, name: ValueName): void {
    const maker = this.nodes.find(({ output }) => output![0] === value);
    if (!maker) {
      this.nodes.push({ name: this.unique('Identity'), opType: 'Identity', input: [value], output: [name] });
      return;
    }
    maker.output = [name];
    for (const node of this.nodes) node.input = node.input!.map((input) => (input === value ? name : input));
  }

  /** The graph without its initializers, which the codec writes. */
  graph(
    name: string,
    input: MessageInitShape<typeof ValueInfoProtoSchema>,
    output: MessageInitShape<typeof ValueInfoProtoSchema>,
  ): MessageInitShape<typeof GraphProtoSchema> {
    return { name, node: this.nodes, input: [input], output: [output] };
  }

  private unique(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.names.has(name); i++) name = `${wanted}_${i}`;
    this.names.add(name);
    return name;
  }
}

/** A float32 value of the graph's surface; a string stands for an extent that is known at run time alone. */
export function valueInfo(name: ValueName, dims: readonly (number | string)[]): MessageInitShape<typeof ValueInfoProtoSchema> {
  const dim = dims.map((d) => ({
    value: typeof d === 'string' ? ({ case: 'dimParam', value: d } as const) : ({ case: 'dimValue', value: BigInt(d) } as const),
  }));
  return { name, type: { value: { case: 'tensorType', value: { elemType: DataType.FLOAT, shape: { dim } } } } };
}

function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
