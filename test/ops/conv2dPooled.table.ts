/** Convolutions and the max pooling behind them, which compile joins where images are in the lanes. */

import { constantTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { conv2d, type Conv2dOptions } from '../../lib/ops/conv';
import { relu } from '../../lib/ops/elementwise';
import { maxPool2d } from '../../lib/ops/pool';
import type { OpRow, OpTable } from '../support/opRow';
import { valuesOf } from '../support/values';

type Shape4 = readonly [number, number, number, number];

const CASES: readonly [string, Shape4, Shape4, number | [number, number], Omit<Conv2dOptions, 'bias'>][] = [
  ['LeNet, first layer', [17, 1, 28, 28], [6, 1, 5, 5], 2, { padding: 2 }],
  ['4 images, 3 to 7 channels', [4, 3, 8, 6], [7, 3, 3, 3], 2, { padding: 1 }],
  ['33 images, a line and a column left over', [33, 2, 9, 7], [5, 2, 3, 3], 2, { padding: 1 }],
  ['9 images, windows of 3x2, stride 2', [9, 3, 14, 15], [9, 3, 3, 4], [3, 2], { stride: 2, padding: 1 }],
  ['18 images, windows of 1x4, vertical dilation', [18, 2, 9, 12], [3, 2, 3, 2], [1, 4], { dilation: [2, 1] }],
];

/** The images are no operand, because where their gradient is wanted too, the one of pooling is not joined. */
const rows: OpRow[] = CASES.flatMap(([name, x, weight, window, options]) =>
  [relu, (y: Tensor) => y].map((activation) => ({
    name: `${name}${activation === relu ? ', relu' : ''}`,
    operands: [{ shape: weight }, { shape: [weight[0]] }],
    build: (w, bias) => {
      const images = constantTensor(valuesOf({ shape: x }, 7), x, 'float32');
      return maxPool2d(activation(conv2d(images, w, { ...options, bias })), window);
    },
    order: 1,
  })),
);

/** Without gradients no positions are kept, so that few images may be cut into stripes. */
const STRIPED: readonly [string, Shape4, Shape4, number | [number, number], Omit<Conv2dOptions, 'bias'>][] = [
  ['LeNet, first layer, 1 image', [1, 1, 28, 28], [6, 1, 5, 5], 2, { padding: 2 }],
  ['LeNet, first layer, 8 images', [8, 1, 28, 28], [6, 1, 5, 5], 2, { padding: 2 }],
  ['3 images, stripes of unequal height', [3, 2, 23, 7], [9, 2, 3, 3], 2, { padding: 1 }],
  [
    '5 images, strides and dilation',
    [5, 3, 29, 9],
    [5, 3, 3, 3],
    [3, 1],
    {
      stride: [1, 2],
      dilation: [2, 1],
      padding: [
        [3, 0],
        [1, 0],
      ],
    },
  ],
];
const striped: OpRow[] = STRIPED.map(([name, x, weight, window, options]) => ({
  name,
  operands: [{ shape: x }, { shape: weight }, { shape: [weight[0]] }],
  build: (images, w, bias) => maxPool2d(relu(conv2d(images, w, { ...options, bias })), window),
  order: 0,
}));

export const conv2dPooledTable: OpTable = { family: 'conv2d pooled', rows: [...rows, ...striped] };
