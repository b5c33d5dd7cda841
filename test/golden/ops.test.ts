/** The golden vectors of single operations from PyTorch, through the public API on native code: values and gradients. */

import { ops, tensor, type Tensor } from 'stridenet';
import { formula, goldenOps, labels, type OpCase } from './formula';

function build({ op, attrs, inputScale }: OpCase, [a, b, bias]: readonly Tensor[]): Tensor {
  const { kernelSize, ...options } = attrs as { kernelSize: [number, number] };
  switch (op) {
    case 'conv2d':
      return ops.conv2d(a!, b!, { ...options, bias });
    case 'maxPool2d':
      return ops.maxPool2d(a!, kernelSize, options);
    case 'avgPool2d':
      return ops.avgPool2d(a!, kernelSize, options);
    case 'linear':
      return ops.linear(a!, b!, { bias });
    case 'matmul': {
      const turned = (x: Tensor, yes: unknown): Tensor => (yes === true ? ops.transpose(x) : x);
      return ops.matmul(turned(a!, attrs['transposeA']), turned(b!, attrs['transposeB']));
    }
    case 'crossEntropy': {
      const [rows, classes] = a!.shape as [number, number];
      return ops.crossEntropy(ops.mul(a!, inputScale!), tensor(labels(rows, classes, 1)), options);
    }
    case 'batchNorm2d': {
      const column = (seed: number, shift: number): Tensor =>
        tensor(
          formula(a!.shape[1]!, seed).map((v) => v + shift),
          [a!.shape[1]!],
        );
      const statistics = attrs['training'] === true ? {} : { runningMean: column(10, 0), runningVar: column(11, 1.5) };
      return ops.batchNorm2d(a!, { ...options, ...statistics, weight: b, bias });
    }
    case 'localResponseNorm':
      return ops.localResponseNorm(a!, options as unknown as ops.LocalResponseNormOptions);
    case 'softmax':
    case 'logSoftmax':
    case 'sigmoid':
    case 'tanh':
    case 'relu':
      return ops[op](a!);
    default:
      throw new Error(`no operation "${op}"`);
  }
}

test.each(goldenOps().map((c) => [`${c.op}: ${c.name}`, c] as const))('%s', async (_, c) => {
  const size = (shape: readonly number[]): number => shape.reduce((x, y) => x * y, 1);
  const inputs = c.shapes.map((shape, k) => tensor(formula(size(shape), k + 1), shape));
  const y = build(c, inputs);
  expect(y.shape).toEqual(c.shape);
  expectClose(await y.data(), c.y);
  const loss = ops.sum(ops.mul(y, tensor(formula(y.size, 50), y.shape)));
  const gradients = ops.grad(loss, inputs);
  for (const [k, gradient] of gradients.entries()) {
    expect(gradient.shape).toEqual(c.shapes[k]);
    expectClose(await gradient.data(), c.gradients[k]!);
  }
});

/** Float32: a millionth of the largest value. */
function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  const tolerance = 1e-6 * Math.max(...expected.map(Math.abs));
  expected.forEach((e, i) => {
    if (!(Math.abs(actual[i]! - e) <= tolerance)) throw new Error(`value ${i} is ${actual[i]}, expected ${e} +- ${tolerance}`);
  });
}
