/** Convolution and linear layers in plain JavaScript: patches as the columns of a matrix (im2col), then products. */

import type { PortableNode } from '../portableGraph';
import { gemm, matrix, transposed } from './gemm';
import type { Operation, OperationFactory, Value } from './value';

interface Geometry {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/** y [n, o, h, w] = weight [o, i, kh, kw] * x + bias */
export const conv2d: OperationFactory = (node, inputs, y): Operation => {
  const [x, weight, bias] = inputs as [Value, Value, Value | undefined];
  const { groups } = node.attrs as unknown as Geometry;
  const [n, oc, oh, ow] = y.shape as [number, number, number, number];
  const [, ic, ih, iw] = x.shape as [number, number, number, number];
  const pixels = oh * ow;
  const [channels, outputs] = [ic / groups, oc / groups];
  const patch = weight.shape[1]! * weight.shape[2]! * weight.shape[3]!;
  const window = windowOf(node, x.shape, y.shape, weight.shape);
  const columns = window.isPlain ? undefined : new Float32Array(patch * pixels);
  const gradColumns = window.isPlain || !x.grad ? undefined : new Float32Array(patch * pixels);

  /** Calls `visit` for each image and group with the offsets of its parts. */
  const each = (visit: (atX: number, atW: number, atY: number) => void): void => {
    for (let image = 0; image < n; image++) {
      for (let g = 0; g < groups; g++) {
        visit((image * ic + g * channels) * ih * iw, g * outputs * patch, (image * oc + g * outputs) * pixels);
      }
    }
  };
  const columnsOf = (atX: number): ReturnType<typeof matrix> => {
    if (!columns) return matrix(x.data, atX, pixels);
    window.gather(x.data, atX, columns);
    return matrix(columns, 0, pixels);
  };

  return {
    forward() {
      for (let c = 0, at = 0; c < n * oc; c++, at += pixels) y.data.fill(bias ? bias.data[c % oc]! : 0, at, at + pixels);
      each((atX, atW, atY) => gemm(outputs, pixels, patch, matrix(weight.data, atW, patch), columnsOf(atX), matrix(y.data, atY, pixels)));
    },
    backward() {
      const dy = y.grad!;
      if (bias?.grad) for (let c = 0; c < n * oc; c++) bias.grad[c % oc]! += sum(dy, c * pixels, pixels);
      each((atX, atW, atY) => {
        const g = matrix(dy, atY, pixels);
        gemm(outputs, patch, pixels, g, transposed(columnsOf(atX)), matrix(weight.grad!, atW, patch));
        if (!x.grad) return;
        const w = transposed(matrix(weight.data, atW, patch));
        if (!gradColumns) gemm(patch, pixels, outputs, w, g, matrix(x.grad, atX, pixels));
        else {
          gradColumns.fill(0);
          gemm(patch, pixels, outputs, w, g, matrix(gradColumns, 0, pixels));
          window.scatter(gradColumns, x.grad, atX);
        }
      });
    },
  };
};

/** y [n, out] = x [n, in] weight [out, in]^T + bias */
export const linear: OperationFactory = (_node, inputs, y): Operation => {
  const [x, weight, bias] = inputs as [Value, Value, Value | undefined];
  const [n, out] = y.shape as [number, number];
  const size = weight.shape[1]!;
  const [matrixX, matrixW, matrixY] = [matrix(x.data, 0, size), matrix(weight.data, 0, size), matrix(y.data, 0, out)];
  return {
    forward() {
      for (let i = 0; i < n * out; i++) y.data[i] = bias ? bias.data[i % out]! : 0;
      gemm(n, out, size, matrixX, transposed(matrixW), matrixY);
    },
    backward() {
      const dy = matrix(y.grad!, 0, out);
      if (bias?.grad) for (let i = 0; i < n * out; i++) bias.grad[i % out]! += y.grad![i]!;
      gemm(out, size, n, transposed(dy), matrixX, matrix(weight.grad!, 0, size));
      if (x.grad) gemm(n, size, out, dy, matrixW, matrix(x.grad, 0, size));
    },
  };
};

function sum(values: Float32Array, at: number, count: number): number {
  let total = 0;
  for (let i = at; i < at + count; i++) total += values[i]!;
  return total;
}

/** Moving between an image's channels and the matrix of its patches, [channels * kh * kw, oh * ow]. */
interface Window {
  /** A 1x1 convolution of stride 1: the image is the matrix. */
  readonly isPlain: boolean;
  gather(x: Float32Array, atX: number, columns: Float32Array): void;
  scatter(columns: Float32Array, dx: Float32Array, atX: number): void;
}

function windowOf(node: PortableNode, xShape: readonly number[], yShape: readonly number[], weightShape: readonly number[]): Window {
  const { stride, padding, dilation } = node.attrs as unknown as Geometry;
  const [ih, iw] = xShape.slice(2) as [number, number];
  const [oh, ow] = yShape.slice(2) as [number, number];
  const [, channels, kh, kw] = weightShape as [number, number, number, number];
  const isPlain = kh * kw === 1 && stride[0] * stride[1] === 1 && padding.every((p) => p === 0);
  /** Calls `row` for each row of pixels of each row of the matrix: the first pixel that lies inside and the one after the last. */
  const rows = (row: (at: number, from: number, first: number, end: number) => void): void => {
    let at = 0;
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < kh; p++) {
        for (let q = 0; q < kw; q++) {
          const shift = q * dilation[1] - padding[2];
          const first = Math.min(ow, Math.max(0, Math.ceil(-shift / stride[1])));
          const end = Math.max(first, Math.min(ow, Math.floor((iw - 1 - shift) / stride[1]) + 1));
          for (let i = 0; i < oh; i++, at += ow) {
            const y = i * stride[0] + p * dilation[0] - padding[0];
            if (y < 0 || y >= ih) row(at, 0, 0, 0);
            else row(at, (c * ih + y) * iw + shift, first, end);
          }
        }
      }
    }
  };
  const step = stride[1];
  return {
    isPlain,
    gather(x, atX, columns) {
      rows((at, from, first, end) => {
        for (let j = 0; j < first; j++) columns[at + j] = 0;
        for (let j = first, s = atX + from + first * step; j < end; j++, s += step) columns[at + j] = x[s]!;
        for (let j = end; j < ow; j++) columns[at + j] = 0;
      });
    },
    scatter(columns, dx, atX) {
      rows((at, from, first, end) => {
        for (let j = first, s = atX + from + first * step; j < end; j++, s += step) dx[s]! += columns[at + j]!;
      });
    },
  };
}
