/**
 * ONNX models as bytes. The messages are protobuf-es's; only the largest part of a file, the numbers of its initializers, is framed here,
 * so that a weight goes from where it lies to the disk without a copy in a message. It knows no operator.
 */

import { toBinary, create, type MessageInitShape } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { StridenetError } from '../errors';
import type { Shape } from '../graph/types';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema, type TensorProto_DataType } from './onnx_pb';

/** A tensor whose numbers are read when they are written: little endian, in row-major order. */
export interface Initializer {
  readonly name: string;
  readonly shape: Shape;
  readonly dataType: TensorProto_DataType;
  readonly byteLength: number;
  read(): Uint8Array | Promise<Uint8Array>;
}

/** Protobuf's limit for one message, which is also that of a file without external data. */
const MAX_BYTES = 2 ** 31 - 1;

/** A message field that holds `length` bytes: what comes before them. */
function prefix(field: { readonly number: number }, length: number): Uint8Array {
  return new BinaryWriter().tag(field.number, WireType.LengthDelimited).uint32(length).finish();
}

/**
 * The chunks of a model file, to be written one after the other.
 *
 * @param model without its graph @param graph without initializers
 * @throws StridenetError ERR_NOT_EXPORTABLE when the file would be larger than protobuf can say
 */
export function encodeModel(
  model: MessageInitShape<typeof ModelProtoSchema>,
  graph: MessageInitShape<typeof GraphProtoSchema>,
  initializers: readonly Initializer[],
): AsyncIterable<Uint8Array> {
  const modelBytes = toBinary(ModelProtoSchema, create(ModelProtoSchema, model));
  const graphBytes = toBinary(GraphProtoSchema, create(GraphProtoSchema, graph));
  const framed = initializers.map((initializer) => {
    const { name, shape, dataType, byteLength } = initializer;
    const header = toBinary(TensorProtoSchema, create(TensorProtoSchema, { name, dataType, dims: shape.map(BigInt) }));
    const dataPrefix = prefix(TensorProtoSchema.field.rawData, byteLength);
    const length = header.length + dataPrefix.length + byteLength;
    return { initializer, length, parts: [prefix(GraphProtoSchema.field.initializer, length), header, dataPrefix] };
  });
  const graphLength = framed.reduce((sum, { length, parts }) => sum + parts[0]!.length + length, graphBytes.length);
  // The prefix of the graph itself takes at most 6 bytes.
  if (modelBytes.length + graphLength + 6 > MAX_BYTES) {
    throw new StridenetError(
      'ERR_NOT_EXPORTABLE',
      `An ONNX file holds at most ${MAX_BYTES} bytes but this model takes ${modelBytes.length + graphLength}. Save it with saveSafetensors.`,
    );
  }
  return (async function* () {
    yield modelBytes;
    yield prefix(ModelProtoSchema.field.graph, graphLength);
    yield graphBytes;
    for (const { initializer, parts } of framed) {
      yield* parts;
      const data = await initializer.read();
      if (data.length !== initializer.byteLength) throw new Error(`initializer ${initializer.name} has ${data.length} bytes`);
      yield data;
    }
  })();
}
