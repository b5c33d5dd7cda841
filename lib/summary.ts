/**
 * summary: a table of a model's layers with output shapes, parameters and multiply-adds. It builds the graph and reads it; no
 * weight is allocated and nothing runs.
 */

import { checkShape, inputTensor } from './graph/leaves';
import type { Tensor } from './graph/tensor';
import { BYTES_PER_ELEMENT, elementCount, type Shape } from './graph/types';
import { Module } from './nn/module';
import { Variable } from './nn/parameter';
import { formatShape, formatValue, StridenetError } from './errors';

export interface LayerSummary {
  /** Path of the module, such as `layer1.0.conv1`; '' for the model itself. */
  readonly path: string;
  /** Class of the module. */
  readonly kind: string;
  readonly outputShape: Shape;
  /** Numbers in the module's own parameters; 0 when the row repeats a shared module. */
  readonly parameters: number;
  /** Multiplications (each with an addition) of convolutions and matrix products for the given input. */
  readonly multiplyAdds: number;
  /** Bytes of the output. */
  readonly outputBytes: number;
}

export interface Summary {
  readonly name: string;
  readonly inputShape: Shape;
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  readonly trainableParameters: number;
  readonly parameterBytes: number;
  readonly multiplyAdds: number;
  /** Bytes of all layer outputs together. */
  readonly outputBytes: number;
  /** The table. */
  toString(): string;
}

/**
 * Describes a model for one input shape.
 *
 * @param inputShape with the batch, such as [1, 3, 224, 224]
 * @throws StridenetError as the layers do when the shape does not fit them
 * @example console.log(String(summary(models.lenet5(), [1, 1, 28, 28])));
 */
export function summary(model: Module, inputShape: Shape): Summary {
  if (!(model instanceof Module)) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `summary expects an nn.Module but got ${formatValue(model)}.`);
  }
  const shape = checkShape('summary', inputShape);
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
  };
  // Not a field: JSON and spreading see the numbers only.
  return Object.defineProperty(description, 'toString', { value: () => formatTable(description) });
}

/**
 * One row for each call of a module that has no children, owns parameters or does arithmetic of its own, in the order of the calls.
 * The calls are seen by standing in front of `forward` on every module while the graph is built.
 */
function traceLayers(model: Module, input: Tensor): LayerSummary[] {
  const layers: LayerSummary[] = [];
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
        const multiplyAdds = countMultiplyAdds(y, counted);
        const parameters = countOwnParameters(module, counted);
        if (multiplyAdds > 0 || parameters > 0 || module.children().length === 0) {
          const outputBytes = y.size * BYTES_PER_ELEMENT[y.dtype];
          layers.push({ path, kind: module.constructor.name, outputShape: y.shape, parameters, multiplyAdds, outputBytes });
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
    model.forward(input);
  } finally {
    for (const undo of restore) undo();
  }
  return layers;
}

/** Multiply-adds of the nodes behind `y` that no earlier call accounted for. */
function countMultiplyAdds(y: Tensor, counted: Set<object>): number {
  let sum = 0;
  const stack = [y];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (counted.has(node)) continue;
    counted.add(node);
    stack.push(...node.inputs);
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
    ['layer', 'kind', 'output', 'parameters', 'multiply-adds', 'output KiB'],
    ...s.layers.map((layer) => [
      layer.path || '(model)',
      layer.kind,
      formatShape(layer.outputShape),
      count(layer.parameters),
      count(layer.multiplyAdds),
      count(Math.ceil(layer.outputBytes / 1024)),
    ]),
    ['total', '', '', count(s.parameters), count(s.multiplyAdds), count(Math.ceil(s.outputBytes / 1024))],
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
      `${(s.parameterBytes / 2 ** 20).toFixed(2)} MiB; ${formatScaled(s.multiplyAdds)} multiply-adds`,
  ].join('\n');
}

/** 4089184256 -> '4.09 G' */
function formatScaled(n: number): string {
  const [unit, symbol] = [[1e9, ' G'] as const, [1e6, ' M'] as const, [1e3, ' k'] as const].find(([size]) => n >= size) ?? [1, ''];
  return `${unit === 1 ? n : (n / unit).toFixed(2)}${symbol}`;
}
