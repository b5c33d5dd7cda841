/** The operations that `stridenet bench kernels` measures: graphs of one node each, at the shapes of bench/shapes. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inputTensor, ones, randn } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { elementCount } from '../graph/types';
import { Parameter } from '../nn/parameter';
import { add, avgPool2d, batchNorm2d, conv2d, linear, matmul, maxPool2d, relu, relu6 } from '../ops';
import { build } from '../ops/builder';
import { parseShapes, SHAPE_FILES, type OpShape, type ShapeOp } from './shapes';

/** A graph of one operation, and what a run of it costs in principle. */
export interface Case {
  readonly group: string;
  readonly operation: string;
  readonly shape: string;
  readonly batch: number;
  readonly output: Tensor;
  readonly feeds: readonly Tensor[];
  /** Multiplications and additions; absent where only memory counts. */
  readonly flops?: number;
  /** Moved at least: every operand read once, the result written once. */
  readonly bytes: number;
}

/** Of squares, and of the fully connected layers of AlexNet and VGG-16: [m, n, k]. */
const GEMMS: readonly (readonly [number, number, number])[] = [
  [1024, 1024, 1024],
  [2048, 2048, 2048],
  [1, 4096, 9216],
  [32, 4096, 9216],
  [8, 4096, 25088],
];

const FLOAT_BYTES = 4;

/** What can be measured: matrix products, and the operations of networks. */
export const KERNEL_GROUPS: readonly string[] = ['gemm', ...SHAPE_FILES];

/** Whether the weights of convolutions and their input gradients are packed once (`at rest`) or in every run (`fed`). */
export type Weights = 'at rest' | 'fed';

/** Makers rather than cases: the weights of one case at a time. @param models among KERNEL_GROUPS */
export function* casesOf(models: readonly string[], batches: readonly number[], weights: Weights): Generator<() => Case> {
  for (const model of models) {
    if (model === 'gemm') {
      for (const sizes of GEMMS) yield () => gemmCase(...sizes);
      continue;
    }
    const file = path.join(__dirname, '..', '..', 'bench', 'shapes', `${model}.txt`);
    for (const shape of parseShapes(readFileSync(file, 'utf8'), file)) {
      for (const batch of batches) for (const make of makersOf(shape, weights)) yield () => make(model, batch);
    }
  }
}

function gemmCase(m: number, n: number, k: number): Case {
  const a = feed('a', [m, k]);
  const b = new Parameter(randn([k, n], { seed: 1 }));
  return {
    group: 'gemm',
    operation: 'matmul',
    shape: `${m}x${n}x${k}`,
    batch: 1,
    flops: 2 * m * n * k,
    ...computing(matmul(a, b), [a]),
  };
}

type Maker = (group: string, batch: number) => Case;

/** The forward operation and its gradients. */
function makersOf(shape: OpShape, weights: Weights): Maker[] {
  const { op, input, attrs } = shape;
  const text = [input.join('x'), ...Object.entries(attrs).flatMap(([name, value]) => describeAttribute(op, name, value))].join(' ');
  const base = (group: string, operation: string, batch: number): Pick<Case, 'group' | 'operation' | 'shape' | 'batch'> => {
    return { group, operation, shape: text, batch };
  };
  if (op === 'conv2d') return convMakers(shape, weights, base);
  if (op === 'linear') {
    const out = attrs['out']![0]!;
    return [
      (group, batch) => {
        const x = feed('x', [batch, ...input]);
        const weight = new Parameter(randn([out, input[0]!], { seed: 1 }));
        return { ...base(group, op, batch), flops: 2 * batch * out * input[0]!, ...computing(linear(x, weight), [x]) };
      },
    ];
  }
  return [
    (group, batch) => {
      const x = feed('x', [batch, ...input]);
      const y = op === 'add' ? feed('y', x.shape) : undefined;
      return { ...base(group, op, batch), ...computing(memoryBound(op, x, y, attrs), y ? [x, y] : [x]) };
    },
  ];
}

function memoryBound(op: Exclude<ShapeOp, 'conv2d' | 'linear'>, x: Tensor, y: Tensor | undefined, attrs: OpShape['attrs']): Tensor {
  const channels = x.shape[1]!;
  const pair = (name: string): [number, number] => attrs[name] as unknown as [number, number];
  const padding = (): [[number, number], [number, number]] => {
    const [top, bottom, left, right] = attrs['padding']!;
    return [[top!, bottom!], [left!, right!]]; // prettier-ignore
  };
  switch (op) {
    case 'add':
      return add(x, y!);
    case 'relu':
      return relu(x);
    case 'relu6':
      return relu6(x);
    case 'batchNorm':
      return batchNorm2d(x, { training: true, weight: new Parameter(ones([channels])), bias: new Parameter([channels]) });
    case 'maxPool2d':
      return maxPool2d(x, pair('kernel'), { stride: pair('stride'), padding: padding() });
    case 'avgPool2d':
      return avgPool2d(x, pair('kernel'), { stride: pair('stride'), padding: padding() });
  }
}

function convMakers(
  { input, attrs }: OpShape,
  weights: Weights,
  base: (group: string, operation: string, batch: number) => Omit<Case, 'output' | 'feeds' | 'bytes'>,
): Maker[] {
  const [channels, height, width] = input as [number, number, number];
  const out = attrs['out']![0]!;
  const groups = attrs['groups']![0]!;
  const kernel = attrs['kernel'] as unknown as readonly [number, number];
  const geometry = { stride: attrs['stride']!, padding: attrs['padding']!, dilation: [1, 1], groups };
  const [top, bottom, left, right] = geometry.padding as unknown as [number, number, number, number];
  const weightShape = [out, channels / groups, ...kernel];
  const extent = (size: number, pads: number, axis: 0 | 1): number => Math.floor((size + pads - kernel[axis]) / geometry.stride[axis]!) + 1;
  const output = [out, extent(height, top + bottom, 0), extent(width, left + right, 1)];
  const flops = (batch: number): number => 2 * batch * elementCount(output) * elementCount(weightShape.slice(1));
  const isFed = weights === 'fed';
  // In the layout of memory: it is packed from where it is fed.
  const weight = (): Tensor => (isFed ? feed('weight', weightShape, 'nhwc') : new Parameter(randn(weightShape, { seed: 1 })));
  return [
    (group, batch) => {
      const x = feed('x', [batch, ...input]);
      const stride = geometry.stride as unknown as [number, number];
      const w = weight();
      const y = conv2d(x, w, { stride, padding: [[top, bottom], [left, right]], groups }); // prettier-ignore
      return { ...base(group, 'conv2d', batch), flops: flops(batch), ...computing(y, isFed ? [x, w] : [x]) };
    },
    (group, batch) => {
      const dy = feed('dy', [batch, ...output]);
      const w = weight();
      const dx = build('conv2dGradInput', [dy, w], { ...geometry, inputSize: [height, width] });
      return { ...base(group, 'conv2d gradInput', batch), flops: flops(batch), ...computing(dx, isFed ? [dy, w] : [dy]) };
    },
    (group, batch) => {
      const [x, dy] = [feed('x', [batch, ...input]), feed('dy', [batch, ...output])];
      const dweight = build('conv2dGradWeight', [x, dy], { ...geometry, kernel });
      return { ...base(group, 'conv2d gradWeight', batch), flops: flops(batch), ...computing(dweight, [x, dy]) };
    },
  ];
}

function describeAttribute(op: ShapeOp, name: string, value: readonly number[]): string[] {
  if (name === 'out') return [`to ${value[0]}`];
  if (name === 'kernel') return [value.join('x')];
  if (name === 'stride') return value.some((s) => s !== 1) ? [`s${value[0]}`] : [];
  if (name === 'groups') return op === 'conv2d' && value[0] !== 1 ? [`g${value[0]}`] : [];
  return value.some((p) => p !== 0) ? [`p${value[0]}`] : [];
}

function feed(name: string, shape: readonly number[], layout: 'nchw' | 'nhwc' = 'nchw'): Tensor {
  return inputTensor({ name, feedDType: 'float32', layout }, shape, 'float32');
}

/**
 * The least bytes that must be moved: every operand is read once (twice by batch normalisation in training: statistics,
 * then values), and the result is written once.
 */
function computing(output: Tensor, feeds: readonly Tensor[]): Pick<Case, 'output' | 'feeds' | 'bytes'> {
  const again = output.op === 'batchNorm' ? output.inputs[0]!.size : 0;
  const numbers = output.inputs.reduce((total, { size }) => total + size, again + output.size);
  return { output, feeds, bytes: FLOAT_BYTES * numbers };
}
