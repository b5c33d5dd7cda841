/** Batch normalisation and local response normalisation, with their derivatives as sums. */

import { array64, dims4, type Array64 } from './array64';

/** Calls `visit` with the flat position and the channel of every element. */
function forEachElement(x: Array64, visit: (at: number, channel: number) => void): void {
  const [n, c, h, w] = dims4(x);
  for (let at = 0; at < n * c * h * w; at++) visit(at, Math.floor(at / (h * w)) % c);
}

/** Sums of term(position, channel) by channel. */
function sumByChannel(x: Array64, term: (at: number, channel: number) => number): Array64 {
  const sums = array64([x.shape[1]!]);
  forEachElement(x, (at, channel) => (sums.data[channel]! += term(at, channel)));
  return sums;
}

const perChannel = (x: Array64): number => x.data.length / x.shape[1]!;

export function batchNormMean(x: Array64): Array64 {
  const sums = sumByChannel(x, (at) => x.data[at]!);
  return { shape: sums.shape, data: sums.data.map((v) => v / perChannel(x)) };
}

/** Biased. */
export function batchNormVariance(x: Array64): Array64 {
  const mean = batchNormMean(x);
  const sums = sumByChannel(x, (at, channel) => (x.data[at]! - mean.data[channel]!) ** 2);
  return { shape: sums.shape, data: sums.data.map((v) => v / perChannel(x)) };
}

export function batchNorm(x: Array64, mean: Array64, variance: Array64, weight: Array64, bias: Array64, eps: number): Array64 {
  const y = array64(x.shape);
  forEachElement(x, (at, c) => {
    y.data[at] = ((x.data[at]! - mean.data[c]!) / Math.sqrt(variance.data[c]! + eps)) * weight.data[c]! + bias.data[c]!;
  });
  return y;
}

export function batchNormGradWeight(x: Array64, dy: Array64, mean: Array64, variance: Array64, eps: number): Array64 {
  return sumByChannel(x, (at, c) => (dy.data[at]! * (x.data[at]! - mean.data[c]!)) / Math.sqrt(variance.data[c]! + eps));
}

export function batchNormGradBias(dy: Array64): Array64 {
  return sumByChannel(dy, (at) => dy.data[at]!);
}

/** weight r (dy - dbias / m - (x - mean) r dweight / m) */
export function batchNormGradInput(inputs: readonly Array64[], eps: number): Array64 {
  const [x, dy, mean, variance, weight, dweight, dbias] = inputs as [Array64, Array64, Array64, Array64, Array64, Array64, Array64];
  const m = perChannel(x);
  const dx = array64(x.shape);
  forEachElement(x, (at, c) => {
    const r = 1 / Math.sqrt(variance.data[c]! + eps);
    const normalised = (x.data[at]! - mean.data[c]!) * r;
    dx.data[at] = weight.data[c]! * r * (dy.data[at]! - dbias.data[c]! / m - (normalised * dweight.data[c]!) / m);
  });
  return dx;
}

export interface ResponseNorm {
  readonly before: number;
  readonly after: number;
  /** alpha / size */
  readonly scale: number;
  readonly beta: number;
  readonly k: number;
}

/** y[n, c] = sum of x[n, c - before .. c + after] over the channels that exist. */
export function channelWindowSum(x: Array64, before: number, after: number): Array64 {
  const [n, c, h, w] = dims4(x);
  const y = array64(x.shape);
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < c; channel++) {
      for (let other = Math.max(0, channel - before); other <= Math.min(c - 1, channel + after); other++) {
        for (let p = 0; p < h * w; p++) y.data[(image * c + channel) * h * w + p]! += x.data[(image * c + other) * h * w + p]!;
      }
    }
  }
  return y;
}

/** k + scale * window sum of x^2 */
function divisors(x: Array64, { before, after, scale, k }: ResponseNorm): Float64Array {
  return channelWindowSum({ shape: x.shape, data: x.data.map((v) => v * v) }, before, after).data.map((v) => k + scale * v);
}

export function localResponseNorm(x: Array64, options: ResponseNorm): Array64 {
  const s = divisors(x, options);
  return { shape: x.shape, data: x.data.map((v, i) => v * s[i]! ** -options.beta) };
}

/** dx[j] = dy[j] s[j]^-beta - 2 beta scale x[j] sum of dy x s^(-beta - 1) over the channels whose windows hold j */
export function localResponseNormGrad(x: Array64, dy: Array64, options: ResponseNorm): Array64 {
  const { before, after, scale, beta } = options;
  const s = divisors(x, options);
  const ratios = { shape: x.shape, data: x.data.map((v, i) => dy.data[i]! * v * s[i]! ** (-beta - 1)) };
  const sums = channelWindowSum(ratios, after, before);
  return { shape: x.shape, data: dy.data.map((g, i) => g * s[i]! ** -beta - 2 * beta * scale * x.data[i]! * sums.data[i]!) };
}
