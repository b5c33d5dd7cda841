/**
 * exportOnnx: a model as an ONNX file. The graph is built as `compile` builds it, in evaluation mode, but for two batch sizes: what differs
 * between the two depends on the batch, and is either written so that any batch fits or refused.
 */

import { fold } from '../compile/fold';
import { simplify } from '../compile/simplify';
import { checkBoolean, checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import { exactKey } from '../graph/exactKey';
import { inputTensor } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import { BYTES_PER_ELEMENT, type Shape } from '../graph/types';
import { writeFileAtomic } from '../io/replaceFile';
import type { Module } from '../nn/module';
import { describe } from '../ops/builder';
import { callModel, checkModel } from '../train/graphs';
import { checkInputShape } from '../train/images';
import { packageVersion } from '../version';
import { encodeModel, type Initializer } from './codec';
import { CONVERSIONS, OPERATOR_SET, SIZED, type Conversion } from './conversions';
import { GraphWriter, valueInfo, type ValueName } from './graphWriter';
import type { GraphProtoSchema } from './onnx_pb';
import type { MessageInitShape } from '@bufbuild/protobuf';

/** Options of `exportOnnx`. */
export interface ExportOnnxOptions {
  /** Shape of one image, such as [3, 224, 224]. */
  input: Shape;
  /** File to write; replaced when it exists. */
  path: string;
  /**
   * Multiply batch normalisation into the convolution before it, as compiled models and PyTorch's exporter do; default true. Without it
   * every parameter keeps its value.
   */
  foldBatchNorm?: boolean | undefined;
}

/** The version of the file format that came with the operator set. */
const IR_VERSION = 8;
const BATCH_SIZES = [2, 3] as const;
/** Operands of layers by name, for those that are computed from parameters. */
const OPERANDS: Readonly<Record<string, readonly string[]>> = {
  conv2d: ['input', 'weight', 'bias'],
  linear: ['input', 'weight', 'bias'],
  batchNorm: ['input', 'running_mean', 'running_var', 'weight', 'bias'],
};

/**
 * Writes a model as an ONNX file (operator set 17) that onnxruntime, OpenVINO, TensorRT and others read: float32 input `input` [batch, ...input], output
 * `logits` [batch, ...], any batch size, evaluation mode. The input is what the model sees: images scaled and normalised as
 * `model.preprocess` says, which is not in the file. Parameters keep their names. The file appears whole or not at all; the model must
 * not be trained until the promise settles, since weights are read while they are written.
 *
 * @throws StridenetError ERR_NOT_EXPORTABLE for what ONNX cannot say, naming the layer; ERR_FILE_ACCESS when the file cannot be written;
 * ERR_SHAPE_MISMATCH when the model does not take the input; ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see https://onnx.ai/onnx/repo-docs/IR.html
 * @example await exportOnnx(models.resnet18(), { input: [3, 224, 224], path: 'resnet18.onnx' });
 */
export async function exportOnnx(model: Module, options: ExportOnnxOptions): Promise<void> {
  checkModel('exportOnnx', model);
  checkOptions('exportOnnx', options, ['input', 'path', 'foldBatchNorm']);
  const input = checkInputShape('exportOnnx', options?.input);
  const { path } = options;
  if (typeof path !== 'string' || path === '') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `exportOnnx expects path to be the name of a file but got ${formatValue(path)}.`);
  }
  const { graph, initializers } = convert(model, input, checkBoolean('exportOnnx', 'foldBatchNorm', options.foldBatchNorm ?? true));
  const head = {
    irVersion: BigInt(IR_VERSION),
    producerName: 'stridenet',
    producerVersion: packageVersion(),
    opsetImport: [{ domain: '', version: BigInt(OPERATOR_SET) }],
  };
  await writeFileAtomic(path, encodeModel(head, graph, initializers));
}

interface Converted {
  readonly graph: MessageInitShape<typeof GraphProtoSchema>;
  readonly initializers: readonly Initializer[];
}

function convert(model: Module, input: Shape, foldBatchNorm: boolean): Converted {
  const orders = BATCH_SIZES.map((n) => {
    const feed = inputTensor({ name: 'input', feedDType: 'float32', layout: 'nchw' }, [n, ...input], 'float32');
    const graph = simplify({ feeds: [feed], outputs: [callModel(model, feed, false)], updates: [] });
    return topologicalOrder((foldBatchNorm ? simplify(fold(graph)) : graph).outputs);
  });
  return new Exporter(model.constructor.name).run(orders[0]!, orders[1]!);
}

class Exporter {
  private readonly writer = new GraphWriter('input', 'logits', '');
  private readonly values = new Map<Tensor, ValueName>();
  /** Nodes that do not depend on the input: initializers, computed when the file is written. */
  private readonly resting = new Set<Tensor>();
  /** Constants that were computed from the batch size. */
  private readonly sized = new Set<Tensor>();

  constructor(private readonly modelName: string) {}

  /** @param order the graph, inputs before users @param twins the same nodes for another batch size */
  run(order: readonly Tensor[], twins: readonly Tensor[]): Converted {
    if (order.length !== twins.length) throw refusal('the model', 'builds other operations for another batch size');
    for (const [i, node] of order.entries()) this.visit(node, twins[i]!);
    const output = order.at(-1)!;
    const dims = output.shape.map((extent, axis) => (twins.at(-1)!.shape[axis] === extent ? extent : 'batch'));
    this.writer.output(this.valueOf(output, describe(output.op, output.name), 'logits'), 'logits');
    const input = order.find(({ leaf }) => leaf?.kind === 'input');
    if (!input) throw refusal('the model', 'gives an output that does not depend on its input');
    const surface = [valueInfo('input', ['batch', ...input.shape.slice(1)]), valueInfo('logits', dims)] as const;
    return { graph: this.writer.graph(this.modelName, ...surface), initializers: this.writer.initializers };
  }

  private visit(node: Tensor, twin: Tensor): void {
    const where = describe(node.op, node.name);
    if (node.op !== twin.op) throw refusal('the model', 'builds other operations for another batch size');
    if (node.leaf?.kind === 'input') {
      this.values.set(node, 'input');
      return;
    }
    const sameAttrs = exactKey(node.attrs) === exactKey(twin.attrs);
    const rests = node.leaf ? sameLeaf(node, twin) : sameAttrs && node.inputs.every((input) => this.resting.has(input));
    if (rests) {
      this.resting.add(node);
      return;
    }
    if (node.leaf) {
      this.sized.add(node);
      return;
    }
    const make = CONVERSIONS[node.op];
    if (!make) throw refusal(where, 'has no form in ONNX');
    const sized = node.inputs.find((input) => this.sized.has(input));
    if (sized) throw refusal(where, `takes a constant of shape ${formatShape(sized.shape)} that depends on the batch size`);
    if (!SIZED.has(node.op) && !sameAttrs) {
      throw refusal(where, 'has an attribute that depends on the batch size');
    }
    this.values.set(node, make(this.conversion(node, twin, where)));
  }

  private conversion(node: Tensor, twin: Tensor, where: string): Conversion {
    const { writer } = this;
    return {
      node,
      attrs: node.attrs,
      inputs: node.inputs.map((input, i) => this.valueOf(input, node.name, OPERANDS[node.op]?.[i] ?? 'constant')),
      emit: (opType, inputs, attributes) => writer.node(node.name, opType, inputs, attributes),
      floats: (values, shape = []) => writer.floats(node.name, values, shape),
      integers: (values) => writer.integers(node.name, values),
      constant(what, read) {
        const [value, other] = [read(node), read(twin)];
        if (exactKey(value) === exactKey(other)) return value;
        throw refusal(where, `cannot be written for every batch size: ${what} depends on it`);
      },
      shape() {
        const shape = node.shape.map((extent, axis) => (twin.shape[axis] === extent ? extent : -1));
        if (node.rank === twin.rank && shape.filter((extent) => extent < 0).length <= 1) return shape;
        throw refusal(where, `cannot be written for every batch size: several extents of its shape depend on it`);
      },
    };
  }

  /** The name of a value; one that does not depend on the input becomes an initializer when it is first used. */
  private valueOf(node: Tensor, layer: string, operand: string): ValueName {
    const known = this.values.get(node);
    if (known !== undefined) return known;
    const name = node.leaf && node.name ? node.name : layer ? `${layer}.${operand}` : operand;
    const value = this.writer.initializer(name, node.dtype, node.shape, BYTES_PER_ELEMENT[node.dtype] * node.size, () =>
      node.leaf?.kind === 'variable' ? node.leaf.storage.value() : (node.value ?? node.data()),
    );
    this.values.set(node, value);
    return value;
  }
}

/** Whether two leaves of two graphs are the same variable or hold the same numbers. */
function sameLeaf({ leaf, shape }: Tensor, { leaf: other, shape: otherShape }: Tensor): boolean {
  if (leaf?.kind === 'variable' || other?.kind === 'variable') {
    return leaf?.kind === 'variable' && other?.kind === 'variable' && leaf.storage === other.storage;
  }
  if (leaf?.kind !== 'constant' || other?.kind !== 'constant' || formatShape(shape) !== formatShape(otherShape)) return false;
  return leaf.data === other.data || leaf.data.every((value, i) => Object.is(value, other.data[i]));
}

function refusal(where: string, fault: string): StridenetError {
  return new StridenetError('ERR_NOT_EXPORTABLE', `exportOnnx: ${where} ${fault}. Write this part of the model with other operations.`);
}
