/**
 * Two-dimensional convolution (cross-correlation, as every deep learning library means it) and its two gradients, as loop nests.
 *
 *   y[n,o,p,q] = sum over c, i, j of x[n, g C/G + c, p sh - pt + i dh, q sw - pl + j dw] w[o,c,i,j],   g = the group of o
 *
 * Source: Dive into Deep Learning, chapter 7 (Convolutional Neural Networks); PyTorch's torch.nn.functional.conv2d for dilation and groups.
 */

import { array64, dims4, type Array64 } from './array64';

export interface ConvGeometry {
  /** [height, width] */
  readonly stride: readonly [number, number];
  /** [[top, bottom], [left, right]] */
  readonly padding: readonly [readonly [number, number], readonly [number, number]];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/** floor((n + before + after - (dilation (k - 1) + 1)) / stride) + 1 */
export function outputExtent(n: number, k: number, padding: readonly [number, number], stride: number, dilation = 1): number {
  return Math.floor((n + padding[0] + padding[1] - (dilation * (k - 1) + 1)) / stride) + 1;
}

/**
 * Visits every multiply-add of a convolution: flat positions of the input element, the weight element and the output element
 * that belong together. The three functions below differ only in which of the three they accumulate into.
 */
function forEachProduct(
  xShape: readonly number[],
  wShape: readonly number[],
  yShape: readonly number[],
  { stride, padding, dilation, groups }: ConvGeometry,
  visit: (x: number, w: number, y: number) => void,
): void {
  const [batch, channels, height, width] = xShape as [number, number, number, number];
  const [outChannels, groupChannels, kh, kw] = wShape as [number, number, number, number];
  const [, , oh, ow] = yShape as [number, number, number, number];
  if (groupChannels * groups !== channels || yShape[1] !== outChannels || yShape[0] !== batch) {
    throw new Error(`reference conv2d: x [${xShape.join()}], w [${wShape.join()}], y [${yShape.join()}], groups ${groups}`);
  }
  const outPerGroup = outChannels / groups;
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outChannels; o++) {
      const firstChannel = Math.floor(o / outPerGroup) * groupChannels;
      for (let p = 0; p < oh; p++) {
        for (let q = 0; q < ow; q++) {
          const y = ((n * outChannels + o) * oh + p) * ow + q;
          for (let c = 0; c < groupChannels; c++) {
            for (let i = 0; i < kh; i++) {
              const row = p * stride[0] - padding[0][0] + i * dilation[0];
              if (row < 0 || row >= height) continue;
              for (let j = 0; j < kw; j++) {
                const column = q * stride[1] - padding[1][0] + j * dilation[1];
                if (column < 0 || column >= width) continue;
                visit(((n * channels + firstChannel + c) * height + row) * width + column, ((o * groupChannels + c) * kh + i) * kw + j, y);
              }
            }
          }
        }
      }
    }
  }
}

/** y of the formula above; `bias` [O] is added when given. */
export function conv2d(x: Array64, weight: Array64, geometry: ConvGeometry, bias?: Array64): Array64 {
  const [batch, , height, width] = dims4(x);
  const [outChannels, , kh, kw] = dims4(weight);
  const { padding, stride, dilation } = geometry;
  const oh = outputExtent(height, kh, padding[0], stride[0], dilation[0]);
  const ow = outputExtent(width, kw, padding[1], stride[1], dilation[1]);
  const y = array64([batch, outChannels, oh, ow]);
  if (bias) for (let k = 0; k < y.data.length; k++) y.data[k] = bias.data[Math.floor(k / (oh * ow)) % outChannels]!;
  forEachProduct(x.shape, weight.shape, y.shape, geometry, (a, b, c) => {
    y.data[c]! += x.data[a]! * weight.data[b]!;
  });
  return y;
}

/** dx[x] = sum of dy[y] w[w] over the products that x takes part in. */
export function conv2dGradInput(dy: Array64, weight: Array64, inputShape: readonly number[], geometry: ConvGeometry): Array64 {
  const dx = array64(inputShape);
  forEachProduct(inputShape, weight.shape, dy.shape, geometry, (a, b, c) => {
    dx.data[a]! += dy.data[c]! * weight.data[b]!;
  });
  return dx;
}

/** dw[w] = sum of dy[y] x[x] over the products that w takes part in. */
export function conv2dGradWeight(x: Array64, dy: Array64, weightShape: readonly number[], geometry: ConvGeometry): Array64 {
  const dw = array64(weightShape);
  forEachProduct(x.shape, weightShape, dy.shape, geometry, (a, b, c) => {
    dw.data[b]! += dy.data[c]! * x.data[a]!;
  });
  return dw;
}
