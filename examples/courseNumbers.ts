/**
 * The worked examples of the chapter on convolutional networks in Dive into Deep Learning, through the public API:
 *
 *   npx ts-node examples/courseNumbers.ts
 */

import { nn, ops, tensor, type Tensor } from 'stridenet';

/** Integers counted up from `first`, in a shape. */
function counting(shape: readonly number[], first = 0): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: count }, (_, i) => first + i),
    shape,
  );
}

/** `19 25 37 43`; channels and images one after the other, rows separated by a slash. */
function text(values: Tensor): string {
  const data = values.dataSync();
  const width = values.shape.at(-1)!;
  const rows = Array.from({ length: data.length / width }, (_, r) => data.slice(r * width, (r + 1) * width).join(' '));
  return rows.join(' / ');
}

/** Every line of the example: what it shows and what comes out. */
export function courseNumbers(): [what: string, result: string][] {
  const x = counting([1, 1, 3, 3]);
  const kernel = counting([1, 1, 2, 2]);

  const twoChannels = tensor([[[[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]);
  const twoChannelKernel = tensor([[[[0, 1], [2, 3]], [[1, 2], [3, 4]]]]);
  // Three output channels: the kernel, the kernel + 1, the kernel + 2.
  const threeKernels = ops.add(ops.broadcastTo(twoChannelKernel, [3, 2, 2, 2]), tensor([0, 1, 2]).reshape([3, 1, 1, 1]));

  const image = tensor(Array.from({ length: 6 }, () => [1, 1, 0, 0, 0, 0, 1, 1])).reshape([1, 1, 6, 8]);
  const edge = tensor([[[[1, -1]]]]);

  return [
    ['3x3 input, 2x2 kernel', text(ops.conv2d(x, kernel))],
    ['with padding 1', text(ops.conv2d(x, kernel, { padding: 1 }))],
    ['strides 3 and 2, padding 1', text(ops.conv2d(x, kernel, { padding: 1, stride: [3, 2] }))],
    ['two input channels', text(ops.conv2d(twoChannels, twoChannelKernel))],
    ['three output channels', text(ops.conv2d(twoChannels, threeKernels))],
    ['maximum pooling', text(ops.maxPool2d(x, 2, { stride: 1 }))],
    ['average pooling', text(ops.avgPool2d(x, 2, { stride: 1 }))],
    ['vertical edges', text(ops.conv2d(image, edge))],
    ['vertical edges of the transposed image', text(ops.conv2d(image.transpose([0, 1, 3, 2]), edge))],
    ['1x1 convolution as a dense layer', pointwiseAsDense()],
    ...outputSizes(),
  ];
} // prettier-ignore

/** A 1x1 convolution of three to two channels is a dense layer applied to every pixel: the largest difference of the two. */
function pointwiseAsDense(): string {
  const x = ops.div(counting([1, 3, 3, 3], -13), 8);
  const weight = ops.div(counting([2, 3], 1), 4);
  const convolution = ops.conv2d(x, weight.reshape([2, 3, 1, 1]));
  const pixels = x.transpose([0, 2, 3, 1]).reshape([9, 3]);
  const dense = ops.linear(pixels, weight).transpose().reshape([1, 2, 3, 3]);
  return `largest difference ${ops.max(ops.abs(convolution.sub(dense))).itemSync()}`;
}

/** floor((n - k + p + s) / s) beside what the layer says, p being the padding of both sides together. */
function outputSizes(): [string, string][] {
  const cases = [
    [28, 5, 4, 1],
    [28, 5, 0, 1],
    [14, 5, 0, 1],
    [8, 3, 2, 2],
    [8, 5, 4, 4],
    [7, 2, 1, 3],
    [224, 11, 2, 4],
    [224, 7, 6, 2],
    [12, 3, 1, 3],
  ] as const;
  return cases.map(([n, k, p, s]) => {
    const before = Math.ceil(p / 2);
    const sides = [before, p - before] as const;
    const layer = new nn.Conv2d(1, 1, k, { padding: [sides, sides], stride: s });
    const size = layer.forward(counting([1, 1, n, n])).shape[2]!;
    return [`n ${n}, k ${k}, p ${p}, s ${s}`, `${size} = ${Math.floor((n - k + p + s) / s)}`];
  });
}

if (require.main === module) {
  for (const [what, result] of courseNumbers()) console.log(`${what}: ${result}`);
}
