/**
 * Random graphs: a few layers of any kind on small images, a loss, and its gradients, computed natively in several ways and compared with the
 * float64 reference within the bounds of a running error analysis. Runs that must agree to the bit are compared so.
 */

import { differentiate } from '../../lib/ops/differentiate';
import { constantTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { topologicalOrder } from '../../lib/graph/traverse';
import type { Shape } from '../../lib/graph/types';
import * as ops from '../../lib/ops';
import { build } from '../../lib/ops/builder';
import type { Array64 } from '../reference/array64';
import { evaluateNode, interpret, type Values } from '../reference/interpret';
import { errorBounds } from '../support/errorBound';
import { runGraph, sameBits, type Variation } from '../support/runGraph';
import { compare } from '../support/runTable';
import { valuesOf } from '../support/values';
import { isWinograd, WINOGRAD_FORMS } from '../support/winograd';
import type { Finding } from './calls';
import type { Random } from './random';

/** All of these must give the same bits. */
const EXACT: readonly Variation[] = [
  { name: '2 threads', threads: 2, runs: 2 },
  { name: '3 threads', threads: 3 },
  { name: 'no shared memory', threads: 2, sharesMemory: false },
];
/** These sum in another order. */
const CLOSE: readonly Variation[] = [
  { name: 'unfused', threads: 2, fuse: false },
  { name: 'variables', threads: 2, variables: true, runs: 2 },
  { name: '2 pixels joined', threads: 2, form: { algorithm: 'direct', widen: 2 } },
  { name: '8 pixels joined', threads: 1, form: { algorithm: 'direct', widen: 8 } },
  { name: 'images in the lanes', threads: 3, form: { algorithm: 'hwcn' } },
];

export function tryGraph(random: Random): Finding | undefined {
  const graph = new GraphBuilder(random);
  const outputs = graph.build();
  const values = interpret(outputs);
  const bounds = errorBounds(outputs, values);
  const safe = isSmooth(outputs, values, bounds) ? outputs : outputs.slice(0, 1);
  const failures: string[] = [];
  const check = (variation: Variation, limits: ReadonlyMap<Tensor, Float64Array>): ReturnType<typeof runGraph> => {
    const results = runGraph(safe, variation);
    for (const [i, tensor] of safe.entries()) {
      const [value, bound] = [values.get(tensor)!.data, limits.get(tensor)!];
      const loose = bound.findIndex((limit, k) => !Number.isFinite(limit) && Number.isFinite(value[k]));
      if (loose >= 0) failures.push(`output ${i} is ${value[loose]} at ${loose}, without a finite bound (${variation.name})`);
      const expected = { value, bound };
      failures.push(...compare(`output ${i} (${variation.name})`, results[i]!, expected));
    }
    return results;
  };
  const first = check({ name: '1 thread', threads: 1 }, bounds);
  const again = check(random.choose(EXACT), bounds);
  if (!first.every((each, i) => sameBits(each, again[i]!))) failures.push('results depend on threads or on the memory plan');
  check(random.choose(CLOSE), bounds);
  const nodes = topologicalOrder(safe);
  const form = random.choose(WINOGRAD_FORMS);
  if (nodes.some((node) => isWinograd(node, form))) {
    check({ name: form, threads: 2, form: { algorithm: form } }, errorBounds(safe, values, form));
  }
  if (failures.length === 0) return undefined;
  const listing = nodes.map((node) => `${node.op} ${JSON.stringify(node.attrs)} [${node.shape.join()}]`).join('\n');
  return { signature: failures[0]!.replace(/[\d.e+-]+/g, '#'), where: safe[0]!.op, detail: `${failures.join('\n')}\n${listing}` };
}

class GraphBuilder {
  private readonly leaves: Tensor[] = [];

  constructor(private readonly random: Random) {}

  /** The output, then gradients of a random combination of it. */
  build(): Tensor[] {
    const { random } = this;
    const shape = [random.choose([1, 2, 3, 5, 17, 18]), random.choose([1, 2, 3, 5, 8, 16, 19]), random.integer(1, 9), random.integer(1, 9)];
    let x = this.leaf(shape);
    for (let i = random.integer(1, 6); i > 0; i--) x = this.layer(x);
    const output = random.chance(0.5) ? this.head(x) : x;
    if (random.chance(0.3)) return [output];
    const loss = ops.sum(ops.mul(output, this.leaf(output.shape)));
    const wanted = this.leaves.filter(() => random.chance(0.6));
    return [output, ...differentiate(loss, wanted).filter((gradient) => gradient !== null)];
  }

  private leaf(shape: Shape, kind: 'any' | 'positive' = 'any'): Tensor {
    const tensor = constantTensor(valuesOf({ shape, kind }, this.random.integer(0, 1e6)), shape, 'float32');
    this.leaves.push(tensor);
    return tensor;
  }

  /** Something that takes [N, C, H, W] and gives it. */
  private layer(x: Tensor): Tensor {
    const { random } = this;
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const layers: (() => Tensor)[] = [
      () => this.convolution(x),
      () => this.convolution(x),
      () => this.pooling(x),
      () => random.choose([ops.relu, ops.relu6, ops.sigmoid, ops.tanh, ops.silu, ops.gelu, ops.hardswish, ops.leakyRelu])(x),
      () => ops.relu(this.convolution(x)),
      () => ops.maxPool2d(ops.relu(this.convolution(x)), 2, { padding: 1 }),
      () => ops.add(x, this.leaf(random.choose([[1], [c, 1, 1], [n, c, h, w], [n, 1, h, 1], [1, c, 1, w]]))),
      () => ops.mul(x, this.leaf(random.choose([[1], [c, 1, 1], [n, 1, 1, 1], [h, 1], [n, c, h, w]]))),
      () => ops.add(x, ops.relu(this.pointwise(x, c))),
      () => this.normalisation(x),
      () => ops.concat([x, this.pointwise(x, random.integer(1, 5)), x], { axis: 1 }),
      () => ops.slice(x, [0, random.integer(0, c - 1)], [n, c]),
      () => ops.pad2d(x, [[random.integer(0, 2), random.integer(0, 2)], [random.integer(0, 2), 1]], random.choose([{}, { value: 0.5 }, { mode: 'replicate' }] as const)), // prettier-ignore
      () => ops.transpose(x, random.choose([[0, 1, 3, 2], [0, 2, 1, 3], [1, 0, 2, 3]])), // prettier-ignore
      () => ops.reshape(x, [n, h, w, c]),
      () => ops.localResponseNorm(x, { size: random.integer(1, 6), alpha: 0.5, beta: 0.75, k: 1 }),
      () => ops.dropout(x, 0.3, { seed: random.integer(0, 99) }),
      () => ops.softmax(x, { axis: random.integer(-4, 3) }),
      () => ops.clamp(x, { min: -0.4, max: 0.6 }),
    ];
    return random.choose(layers)();
  }

  private pointwise(x: Tensor, channels: number): Tensor {
    return ops.conv2d(x, this.leaf([channels, x.shape[1]!, 1, 1]));
  }

  private convolution(x: Tensor): Tensor {
    const { random } = this;
    const [, c, h, w] = x.shape as [number, number, number, number];
    const depthwise = random.chance(0.25);
    const groups = depthwise ? c : random.choose([1, 1, 1, ...[2, 3, 4].filter((g) => c % g === 0)]);
    const out = groups * (depthwise ? random.integer(1, 2) : random.choose([1, 2, 3, 6, 8, 17]));
    const kernel = [random.choose([1, 2, 3, 3, 5]), random.choose([1, 2, 3, 3, 5])] as const;
    const dilation = [random.choose([1, 1, 2]), random.choose([1, 1, 2])] as const;
    const least = (k: number, d: number, size: number): number => Math.max(0, Math.ceil(((k - 1) * d + 1 - size) / 2));
    const padding = [
      least(kernel[0], dilation[0], h) + random.integer(0, 1),
      least(kernel[1], dilation[1], w) + random.integer(0, 2),
    ] as const;
    const stride = random.choose([1, 1, 2, [1, 2], [3, 1]] as const);
    const bias = random.chance(0.5) ? this.leaf([out]) : undefined;
    return ops.conv2d(x, this.leaf([out, c / groups, ...kernel]), { bias, stride, padding, dilation, groups });
  }

  private pooling(x: Tensor): Tensor {
    const { random } = this;
    const [, , h, w] = x.shape as [number, number, number, number];
    const kernel = [random.integer(1, Math.min(3, h)), random.integer(1, Math.min(3, w))] as const;
    const padding = [random.integer(0, kernel[0] >> 1), random.integer(0, kernel[1] >> 1)] as const;
    const options = { padding, stride: random.choose([1, 2, undefined]), ceilMode: random.chance(0.3) };
    return random.choose([
      () => ops.maxPool2d(x, kernel, options),
      () => ops.avgPool2d(x, kernel, { ...options, countIncludePad: random.chance(0.5) }),
      () => ops.adaptiveAvgPool2d(x, [random.integer(1, h + 1), random.integer(1, w + 1)]),
      () => ops.globalAvgPool2d(x),
    ])();
  }

  private normalisation(x: Tensor): Tensor {
    const { random } = this;
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const affine = random.chance(0.7) ? { weight: this.leaf([c], 'positive'), bias: this.leaf([c]) } : {};
    // Few values of a channel may have almost no variance, by which errors are divided.
    if (n * h * w >= 8 && random.chance(0.5)) return ops.batchNorm2d(x, { ...affine, training: true, eps: 0.1 });
    return ops.batchNorm2d(x, { ...affine, runningMean: this.leaf([c]), runningVar: this.leaf([c], 'positive') });
  }

  private head(x: Tensor): Tensor {
    const { random } = this;
    const rows = ops.flatten(x);
    const width = rows.shape[1]!;
    const classes = random.integer(1, 7);
    return random.choose([
      () => ops.linear(rows, this.leaf([classes, width]), { bias: this.leaf([classes]) }),
      () => ops.relu(ops.linear(rows, this.leaf([classes, width]))),
      () => ops.logSoftmax(ops.matmul(rows, this.leaf([width, classes]))),
      () => ops.mean(x, { axis: [2, 3] }),
      () => ops.sum(x, { axis: random.integer(0, 3), keepDims: true }),
      () => ops.max(x, { axis: random.integer(0, 3) }),
    ])();
  }
}

/** Where the derivative of an activation jumps. */
const KINKS: Readonly<Record<string, readonly number[]>> = {
  relu: [0],
  relu6: [0, 6],
  leakyRelu: [0],
  hardswish: [-3, 3],
  abs: [0],
  clamp: [-0.4, 0.6],
};

/**
 * Whether no rounding can change which branch a derivative takes: no value within its bound of a kink, no second value of a window within the
 * bounds of its maximum.
 */
function isSmooth(outputs: readonly Tensor[], values: Values, bounds: ReadonlyMap<Tensor, Float64Array>): boolean {
  return topologicalOrder(outputs).every((node) => {
    const [x] = node.inputs;
    if (!x) return true;
    const [value, bound] = [values.get(x)!, bounds.get(x)!];
    const kinks = KINKS[node.op];
    if (kinks) return value.data.every((v, i) => kinks.every((kink) => Math.abs(v - kink) > 2 * bound[i]!));
    if (node.op === 'max') return false;
    return node.op !== 'maxPool2d' || hasClearMaxima(node, value, bound);
  });
}

/** Whether the maxima of windows stay where they are when they are made smaller, and all else larger, by twice their bounds. */
function hasClearMaxima(pool: Tensor, { shape, data }: Array64, bound: Float64Array): boolean {
  const gradient = build('maxPool2dGrad', [pool.inputs[0]!, pool], pool.attrs);
  const ones: Array64 = { shape: pool.shape, data: new Float64Array(pool.size).fill(1) };
  const winners = (x: Float64Array): Float64Array => evaluateNode(gradient, [{ shape, data: x }, ones]).data;
  const before = winners(data);
  const after = winners(data.map((v, i) => v + (before[i]! > 0 ? -2 : 2) * bound[i]!));
  return before.every((count, i) => count === after[i]);
}
