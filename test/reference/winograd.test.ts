/** The formula of Winograd's convolution is the convolution, for every tile and kernel size and ragged edges. */

import { array64 } from './array64';
import { conv2d, conv2dGradInput } from './conv';
import { gradInputWeight, winogradConv2d, winogradConv2dAdjoint } from './winograd';

const sequence = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(1 + 3 * i));
const PLAIN = { stride: [1, 1], dilation: [1, 1], groups: 1 } as const;

describe.each([
  [2, 3],
  [4, 3],
  [2, 5],
])('tiles of %i, kernels of %i', (tile, taps) => {
  const size = { tile, taps };
  test.each([
    [5, 9, [1, 1], [1, 1]],
    [6, 4, [2, 0], [0, 1]],
    [4, 4, [0, 0], [3, 3]],
  ] as const)('%i x %i, padding %j %j', (height, width, vertical, horizontal) => {
    const x = array64([2, 3, height, width], sequence(6 * height * width));
    const w = array64([4, 3, taps, taps], sequence(12 * taps * taps));
    const padding = [vertical, horizontal] as const;
    const expected = conv2d(x, w, { ...PLAIN, padding });
    const actual = winogradConv2d(x, w, padding, size);
    expect(actual.shape).toEqual(expected.shape);
    actual.data.forEach((v, i) => expect(v).toBeCloseTo(expected.data[i]!, 10));

    const dx = conv2dGradInput(expected, w, x.shape, { ...PLAIN, padding });
    const opposite = padding.map(([before, after]) => [taps - 1 - before, taps - 1 - after] as const) as unknown as typeof padding;
    const viaForward = winogradConv2d(expected, gradInputWeight(w), opposite, size);
    viaForward.data.forEach((v, i) => expect(v).toBeCloseTo(dx.data[i]!, 9));
    const adjoint = winogradConv2dAdjoint(expected, w, [height, width], [vertical[0], horizontal[0]], size);
    adjoint.data.forEach((v, i) => expect(v).toBeCloseTo(dx.data[i]!, 9));
  });
});
