/**
 * summary: a table of a model's layers with output shapes, parameters, multiply-adds and receptive fields, and the memory that running
 * the model takes. It builds graphs and reads them; no weight is allocated and nothing runs.
 */

import { compileGraph } from './compile/compile';
import type { Candidate, NativeQueries } from './compile/ir';
import { ALGORITHM } from './compile/opcodes';
import { LINE_BYTES } from './compile/planMemory';
import { checkInteger, checkOptions, formatShape, StridenetError } from './errors';
import type { Graph } from './graph/graph';
import { INSPECT } from './graph/inspect';
import { checkShape, inputTensor } from './graph/leaves';
import { Tensor } from './graph/tensor';
import { topologicalOrder } from './graph/traverse';
import { BYTES_PER_ELEMENT, elementCount, type Shape } from './graph/types';
import { crossEntropy, type Loss } from './nn/loss';
import { type Module } from './nn/module';
import { Variable, type Parameter } from './nn/parameter';
import { mul } from './ops/elementwise';
import { mean } from './ops/reduce';
import { sgd } from './optim/sgd';
import { nativeQueries } from './runtime/queries';
import { callModel, checkModel, inferenceGraph, type BatchForm } from './train/graphs';
import { CLASS_NUMBERS } from './train/target';
import { makeKept, type Kept } from './train/kept';
import { trainingGraph } from './train/trainingGraph';

export interface SummaryOptions {
  /** Images at a time for the planned memory; default: the first extent of the input shape. */
  batch?: number | undefined;
}

/** One layer of a `summary`. */
export interface LayerSummary {
  /** Path of the module, such as `layer1.0.conv1`; '' for the model itself. */
  readonly path: string;
  /** Class of the module. */
  readonly kind: string;
  /** With the batch. */
  readonly outputShape: Shape;
  /** Numbers in the module's own parameters; 0 when the row repeats a shared module. */
  readonly parameters: number;
  /** Multiplications (each with an addition) of convolutions and matrix products for the given input. */
  readonly multiplyAdds: number;
  /** Bytes of the output. */
  readonly outputBytes: number;
  /**
   * Height and width of the part of the input that one output element depends on, borders left aside; where linear layers see the whole
   * image, at least the image. Absent when the input is no image.
   */
  readonly receptiveField?: readonly [number, number];
}

/** What running the model takes: weights, whatever is kept beside them, inputs and temporaries. Scratch memory of threads is not counted. */
export interface PlannedMemory {
  readonly batch: number;
  readonly inferenceBytes: number;
  /** One step of SGD with momentum; absent when nothing can be trained. */
  readonly trainingBytes?: number;
}

/** What `summary` finds; `String` and `console.log` print it as a table. */
export interface Summary {
  /** The class of the model. */
  readonly name: string;
  /** With the batch. */
  readonly inputShape: Shape;
  /** In the order in which they are called. */
  readonly layers: readonly LayerSummary[];
  /** Numbers of all parameters together. */
  readonly parameters: number;
  /** Numbers of the parameters that are not frozen. */
  readonly trainableParameters: number;
  /** Memory of the parameters. */
  readonly parameterBytes: number;
  /** Multiplications with an addition of a forward pass. */
  readonly multiplyAdds: number;
  /** Bytes of all layer outputs together. */
  readonly outputBytes: number;
  /** Planned when first read. */
  readonly memory: PlannedMemory;
  /** The table. */
  toString(): string;
}

/**
 * Describes a model in evaluation mode for one input shape.
 *
 * @param inputShape with the batch, such as [1, 3, 224, 224]; a single extent is one example: [n] means [1, n]
 * @throws StridenetError as the layers do when the shape does not fit them, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example console.log(summary(models.lenet5(), [1, 1, 28, 28]));
 */
export function summary(model: Module, inputShape: Shape, options: SummaryOptions = {}): Summary {
  checkModel('summary', model);
  checkOptions('summary', options, ['batch']);
  const given = checkShape('summary', inputShape);
  const shape = given.length === 1 ? [1, ...given] : given;
  const batch = checkInteger('summary', 'batch', options.batch ?? shape[0] ?? 1, 1);
  const layers = traceLayers(model, inputTensor({ name: 'input', feedDType: 'float32', layout: 'nchw' }, shape, 'float32'));
  const parameters = model.parameters();
  const total = (of: (layer: LayerSummary) => number): number => layers.reduce((sum, layer) => sum + of(layer), 0);
  const count = parameters.reduce((sum, p) => sum + p.size, 0);
  const description = {
    name: model.constructor.name,
    inputShape: shape,
    layers,
    parameters: count,
    trainableParameters: parameters.filter((p) => p.requiresGrad).reduce((sum, p) => sum + p.size, 0),
    parameterBytes: count * BYTES_PER_ELEMENT.float32,
    multiplyAdds: total((layer) => layer.multiplyAdds),
    outputBytes: total((layer) => layer.outputBytes),
    get memory(): PlannedMemory {
      return (memory ??= planModel(model, shape, batch));
    },
  };
  let memory: PlannedMemory | undefined;
  const text = { value: () => formatTable(description) };
  // No fields: JSON and spreading see the numbers only.
  return Object.defineProperties(description, { toString: text, [INSPECT]: text });
}

/**
 * One row for each call of a module that has no children, owns parameters or does arithmetic of its own, in the order of the calls.
 * The calls are seen by standing in front of `forward` on every module while the graph is built.
 */
function traceLayers(model: Module, input: Tensor): LayerSummary[] {
  const rows: LayerSummary[] = [];
  const outputs: Tensor[] = [];
  const counted = new Set<object>([input]);
  const restore: (() => void)[] = [];
  for (const [path, module] of model.namedModules()) {
    const own = Object.getOwnPropertyDescriptor(module, 'forward');
    const forward = module.forward;
    Object.defineProperty(module, 'forward', {
      configurable: true,
      enumerable: false,
      value: (...inputs: Tensor[]): Tensor => {
        inputs.forEach((x) => counted.add(x));
        const y = forward.apply(module, inputs);
        if (!Tensor.is(y)) return y; // whatever takes it next refuses it by name
        const multiplyAdds = countMultiplyAdds(y, counted);
        const parameters = countOwnParameters(module, counted);
        if (multiplyAdds > 0 || parameters > 0 || module.children().length === 0) {
          const outputBytes = y.size * BYTES_PER_ELEMENT[y.dtype];
          rows.push({ path, kind: module.constructor.name, outputShape: y.shape, parameters, multiplyAdds, outputBytes });
          outputs.push(y);
        }
        return y;
      },
    });
    restore.push(() => {
      if (own) Object.defineProperty(module, 'forward', own);
      else Reflect.deleteProperty(module, 'forward');
    });
  }
  try {
    callModel(model, input, false);
  } finally {
    for (const undo of restore) undo();
  }
  const fields = receptiveFields(input, outputs);
  return rows.map((row, i) => {
    const field = fields.get(outputs[i]!);
    return field ? { ...row, receptiveField: field.size } : row;
  });
}

/** What an element of a node sees of the input image, and how far apart in the image neighbouring elements look. */
interface Field {
  readonly size: readonly [number, number];
  readonly jump: readonly [number, number];
}

/** The receptive fields of all nodes between `input` and `outputs` (Araujo, Norris, Sim: "Computing receptive fields of CNNs", 2019). */
function receptiveFields(input: Tensor, outputs: readonly Tensor[]): Map<Tensor, Field> {
  const fields = new Map<Tensor, Field>();
  if (input.rank !== 4) return fields;
  fields.set(input, { size: [1, 1], jump: [1, 1] });
  for (const node of topologicalOrder(outputs)) {
    const sources = node.inputs.flatMap((x) => {
      const field = fields.get(x);
      return field ? [throughNode(field, x, node)] : [];
    });
    if (sources.length === 0) continue;
    const widest = (of: (field: Field) => readonly [number, number]): [number, number] => [
      Math.max(...sources.map((field) => of(field)[0])),
      Math.max(...sources.map((field) => of(field)[1])),
    ];
    fields.set(node, { size: widest(({ size }) => size), jump: widest(({ jump }) => jump) });
  }
  return fields;
}

function throughNode(field: Field, x: Tensor, y: Tensor): Field {
  const windows = [0, 1].map((axis) => windowOf(x, y, axis));
  const along = (axis: 0 | 1): { size: number; jump: number } => ({
    size: field.size[axis] + (windows[axis]!.extent - 1) * field.jump[axis],
    jump: field.jump[axis] * windows[axis]!.stride,
  });
  const [h, w] = [along(0), along(1)];
  return { size: [h.size, w.size], jump: [h.jump, w.jump] };
}

/** The window of x that an element of y is computed from, along the height (axis 0) or the width. */
function windowOf(x: Tensor, { op, inputs, shape, attrs }: Tensor, axis: number): { extent: number; stride: number } {
  if (x.rank !== 4) return { extent: 1, stride: 1 };
  const from = x.shape[2 + axis]!;
  // flattened or reduced, so layers after it see the whole image
  if (shape.length !== 4) return { extent: from, stride: 1 };
  const kernel = op === 'conv2d' ? inputs[1]!.shape.slice(2) : (attrs['kernel'] as Shape | undefined);
  if (kernel) {
    const dilation = (attrs['dilation'] as Shape | undefined)?.[axis] ?? 1;
    return { extent: (kernel[axis]! - 1) * dilation + 1, stride: (attrs['stride'] as Shape)[axis]! };
  }
  // Adaptive and global pooling.
  const to = shape[2 + axis]!;
  const stride = Math.max(1, Math.floor(from / to));
  return to < from ? { extent: from - (to - 1) * stride, stride } : { extent: 1, stride: 1 };
}

function planModel(model: Module, shape: Shape, batch: number): PlannedMemory {
  const form: BatchForm = { count: batch, dtype: 'float32', input: shape.slice(1), preprocess: {} };
  const inferenceBytes = plannedBytes(inferenceGraph(model, form));
  if (!model.parameters().some((parameter) => parameter.requiresGrad)) return { batch, inferenceBytes };
  const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
  const keptOf = (parameter: Parameter): Kept => makeKept(optimizer, parameter);
  try {
    return {
      batch,
      inferenceBytes,
      trainingBytes: plannedBytes(trainingGraph({ model, loss: anyLoss, metrics: [], optimizer, keptOf }, form, CLASS_NUMBERS)),
    };
  } catch (error) {
    if (error instanceof StridenetError && error.code === 'ERR_NOT_DIFFERENTIABLE') return { batch, inferenceBytes };
    throw error;
  }
}

/** Cross-entropy for a classifier, the mean square for any other output: the memory hardly differs. */
const classLoss = crossEntropy();
const anyLoss: Loss = (output, labels) => (output.rank === 2 ? classLoss(output, labels) : mean(mul(output, output)));

/** What a program keeps and what one run of it needs. */
function plannedBytes(graph: Graph): number {
  const { memoryPlan, slots, feeds } = compileGraph(graph, planningQueries);
  const bytes = ({ dtype, shape }: { dtype: keyof typeof BYTES_PER_ELEMENT; shape: Shape }): number =>
    elementCount(shape) * BYTES_PER_ELEMENT[dtype];
  return memoryPlan.arenaLines * LINE_BYTES + [...slots, ...feeds].reduce((sum, buffer) => sum + bytes(buffer), 0);
}

/**
 * Native answers, and plain ones where there are none: without a binary, and for weights beyond what native code addresses. Then a packed
 * weight is taken to be as large as the weight.
 */
const planningQueries: NativeQueries = {
  packedLength: (opcode, shape, attrs) => ask((native) => native.packedLength(opcode, shape, attrs), elementCount(shape)),
  candidates: (convolution, pack) => ask((native) => native.candidates(convolution, pack), PLAIN),
  accepts: (instruction) => ask((native) => native.accepts(instruction), false),
  cost: (instruction) => ask((native) => native.cost(instruction), { bytes: 1, scratchBytes: 0, seconds: 1 }),
};

const PLAIN: readonly Candidate[] = [
  { algorithm: ALGORITHM.direct, widen: 1, sumsProducts: true, isOffered: true, seconds: 1, packSeconds: 0, packedLength: 0 },
];

function ask<T>(question: (native: NativeQueries) => T, otherwise: T): T {
  try {
    return question(nativeQueries());
  } catch (error) {
    if (error instanceof StridenetError) return otherwise;
    throw error;
  }
}

/** Multiply-adds of the nodes behind `y` that no earlier call accounted for. */
function countMultiplyAdds(y: Tensor, counted: Set<object>): number {
  let sum = 0;
  const stack = [y];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (counted.has(node)) continue;
    counted.add(node);
    for (const input of node.inputs) stack.push(input);
    sum += multiplyAddsOf(node);
  }
  return sum;
}

function multiplyAddsOf({ op, inputs, shape, attrs }: Tensor): number {
  switch (op) {
    case 'conv2d':
    case 'linear': // [O, I, kH, kW] and [out, in]: every output is a sum of I kH kW or of `in` products.
      return elementCount(shape) * elementCount(inputs[1]!.shape.slice(1));
    case 'matmul':
      return elementCount(shape) * inputs[0]!.shape[attrs['transposeA'] ? 0 : 1]!;
    default:
      return 0;
  }
}

function countOwnParameters(module: Module, counted: Set<object>): number {
  let sum = 0;
  for (const value of Object.values(module).flat()) {
    if (!(value instanceof Variable) || counted.has(value.storage)) continue;
    counted.add(value.storage);
    sum += 'requiresGrad' in value ? value.size : 0;
  }
  return sum;
}

function formatTable(s: Omit<Summary, 'toString'>): string {
  const count = (n: number): string => n.toLocaleString('en-US');
  const rows = [
    ['layer', 'kind', 'output', 'parameters', 'multiply-adds', 'output KiB', 'receptive field'],
    ...s.layers.map((layer) => [
      layer.path || '(model)',
      layer.kind,
      formatShape(layer.outputShape),
      count(layer.parameters),
      count(layer.multiplyAdds),
      count(Math.ceil(layer.outputBytes / 1024)),
      layer.receptiveField?.join('x') ?? '',
    ]),
    ['total', '', '', count(s.parameters), count(s.multiplyAdds), count(Math.ceil(s.outputBytes / 1024)), ''],
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  const rule = '-'.repeat(Math.max(...lines.map((line) => line.length)));
  const frozen = s.parameters - s.trainableParameters;
  return [
    `${s.name} for input ${formatShape(s.inputShape)}`,
    rule,
    lines[0]!,
    rule,
    ...lines.slice(1, -1),
    rule,
    lines.at(-1)!,
    `${count(s.trainableParameters)} trainable parameters${frozen ? `, ${count(frozen)} frozen` : ''}, ` +
      `${mebibytes(s.parameterBytes)}; ${formatScaled(s.multiplyAdds)} multiply-adds`,
    `planned memory for ${s.memory.batch === 1 ? 'one example' : `${s.memory.batch} examples`} at a time: inference ${mebibytes(s.memory.inferenceBytes)}` +
      (s.memory.trainingBytes === undefined ? '' : `, training ${mebibytes(s.memory.trainingBytes)}`),
  ].join('\n');
}

/** 4194304 -> '4.00 MiB' */
function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(2)} MiB`;
}

/** 4089184256 -> '4.09 G' */
function formatScaled(n: number): string {
  const [unit, symbol] = [[1e9, ' G'] as const, [1e6, ' M'] as const, [1e3, ' k'] as const].find(([size]) => n >= size) ?? [1, ''];
  return `${unit === 1 ? n : (n / unit).toFixed(2)}${symbol}`;
}
