/** Everything but products in plain JavaScript: normalisation, activations, pooling, sums and joins, with their gradients. */

import { StridenetError } from '../../errors';
import { conv2d, linear } from './conv';
import type { Operation, OperationFactory, Value } from './value';

/** y = f(x) element by element, and dx += dy where `passes` by x. */
function piecewise(f: (x: number) => number, passes: (x: number) => boolean): OperationFactory {
  return (_node, inputs, y): Operation => {
    const [x] = inputs as [Value];
    return {
      forward() {
        for (let i = 0; i < x.data.length; i++) y.data[i] = f(x.data[i]!);
      },
      backward() {
        if (x.grad) for (let i = 0; i < x.data.length; i++) if (passes(x.data[i]!)) x.grad[i]! += y.grad![i]!;
      },
    };
  };
}

/** The gradient of x is that of y, at other places of its array. */
function moves(
  place: (node: Parameters<OperationFactory>[0], input: number, inputs: readonly Value[]) => (i: number) => number,
): OperationFactory {
  return (node, inputs, y): Operation => {
    const places = inputs.map((_, i) => place(node, i, inputs));
    return {
      forward() {
        for (const [k, { data }] of inputs.entries()) for (let i = 0; i < data.length; i++) y.data[places[k]!(i)] = data[i]!;
      },
      backward() {
        for (const [k, { grad }] of inputs.entries()) if (grad) for (let i = 0; i < grad.length; i++) grad[i]! += y.grad![places[k]!(i)]!;
      },
    };
  };
}

const reshape = moves(() => (i) => i);

/** Along the axis of channels. */
const concat = moves((node, input, inputs) => {
  const spread = (x: Value): number => x.shape.slice(node.attrs['axis'] as number).reduce((a, b) => a * b);
  const before = inputs.slice(0, input).reduce((sum, x) => sum + spread(x), 0);
  const [own, all] = [spread(inputs[input]!), inputs.reduce((sum, x) => sum + spread(x), 0)];
  return (i) => Math.floor(i / own) * all + before + (i % own);
});

/** Of two values of the same shape. */
const add: OperationFactory = (_node, inputs, y): Operation => {
  const [a, b] = inputs as [Value, Value];
  return {
    forward() {
      for (let i = 0; i < y.data.length; i++) y.data[i] = a.data[i]! + b.data[i]!;
    },
    backward() {
      for (const { grad } of inputs) if (grad) for (let i = 0; i < grad.length; i++) grad[i]! += y.grad![i]!;
    },
  };
};

/** (x - mean) / sqrt(variance + eps) weight + bias by channel; in training mean and variance are the batch's. */
const batchNorm: OperationFactory = (node, inputs, y): Operation => {
  const [x, weight, bias, runningMean, runningVar] = inputs as [Value, Value, Value, Value, Value];
  const { eps, training } = node.attrs as { eps: number; training: boolean };
  const [n, channels] = x.shape as [number, number];
  const pixels = x.data.length / n / channels;
  const count = n * pixels;
  const momentum = 0.1;
  const mean = new Float32Array(channels);
  const inverse = new Float32Array(channels);
  /** The sum of f(i) over the elements of a channel. */
  const over = (c: number, f: (i: number) => number): number => {
    let total = 0;
    for (let image = 0; image < n; image++) {
      const at = (image * channels + c) * pixels;
      for (let i = at; i < at + pixels; i++) total += f(i);
    }
    return total;
  };
  return {
    forward() {
      for (let c = 0; c < channels; c++) {
        let [m, v] = [runningMean.data[c]!, runningVar.data[c]!];
        if (training) {
          m = over(c, (i) => x.data[i]!) / count;
          v = over(c, (i) => (x.data[i]! - m) ** 2) / count;
          runningMean.data[c] = (1 - momentum) * runningMean.data[c]! + momentum * m;
          runningVar.data[c] = (1 - momentum) * runningVar.data[c]! + (momentum * v * count) / (count - 1);
        }
        mean[c] = m;
        inverse[c] = 1 / Math.sqrt(v + eps);
        const scale = weight.data[c]! * inverse[c]!;
        const shift = bias.data[c]! - m * scale;
        for (let image = 0; image < n; image++) {
          const at = (image * channels + c) * pixels;
          for (let i = at; i < at + pixels; i++) y.data[i] = x.data[i]! * scale + shift;
        }
      }
    },
    backward() {
      const dy = y.grad!;
      for (let c = 0; c < channels; c++) {
        const [m, s] = [mean[c]!, inverse[c]!];
        const dbias = over(c, (i) => dy[i]!);
        const dweight = over(c, (i) => dy[i]! * (x.data[i]! - m)) * s;
        bias.grad![c]! += dbias;
        weight.grad![c]! += dweight;
        if (!x.grad) continue;
        const scale = weight.data[c]! * s;
        for (let image = 0; image < n; image++) {
          const at = (image * channels + c) * pixels;
          for (let i = at; i < at + pixels; i++) {
            x.grad[i]! += scale * (dy[i]! - dbias / count - ((x.data[i]! - m) * s * dweight) / count);
          }
        }
      }
    },
  };
};

interface PoolAttrs {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
}

/** The largest of each window; the gradient goes to the first that has it. */
const maxPool2d: OperationFactory = (node, inputs, y): Operation => {
  const [x] = inputs as [Value];
  const { kernel, stride, padding } = node.attrs as unknown as PoolAttrs;
  const dilation = node.attrs['dilation'] as readonly [number, number];
  const [ih, iw] = x.shape.slice(2) as [number, number];
  const [oh, ow] = y.shape.slice(2) as [number, number];
  const winners = new Int32Array(y.data.length);
  return {
    forward() {
      for (let at = 0, plane = 0; at < y.data.length; plane += ih * iw) {
        for (let i = 0; i < oh; i++) {
          for (let j = 0; j < ow; j++, at++) {
            let [largest, winner] = [-Infinity, plane];
            for (let p = 0; p < kernel[0]; p++) {
              const row = i * stride[0] + p * dilation[0] - padding[0];
              if (row < 0 || row >= ih) continue;
              for (let q = 0; q < kernel[1]; q++) {
                const col = j * stride[1] + q * dilation[1] - padding[2];
                if (col < 0 || col >= iw) continue;
                const value = x.data[plane + row * iw + col]!;
                if (value > largest) [largest, winner] = [value, plane + row * iw + col];
              }
            }
            y.data[at] = largest;
            winners[at] = winner;
          }
        }
      }
    },
    backward() {
      if (x.grad) for (let i = 0; i < winners.length; i++) x.grad[winners[i]!]! += y.grad![i]!;
    },
  };
};

/** Means over windows [start, end) of rows and columns. */
function average(
  x: Value,
  y: Value,
  rowsOf: (i: number) => readonly [number, number],
  colsOf: (j: number) => readonly [number, number],
  divisor?: number,
): Operation {
  const [ih, iw] = x.shape.slice(2) as [number, number];
  const [oh, ow] = y.shape.slice(2) as [number, number];
  const [rows, cols] = [Array.from({ length: oh }, (_, i) => rowsOf(i)), Array.from({ length: ow }, (_, j) => colsOf(j))];
  const each = (visit: (at: number, start: number, height: number, width: number, share: number) => void): void => {
    for (let at = 0, plane = 0; at < y.data.length; plane += ih * iw) {
      for (const [top, bottom] of rows) {
        for (const [left, right] of cols) {
          const [height, width] = [bottom - top, right - left];
          visit(at++, plane + top * iw + left, height, width, 1 / (divisor ?? height * width));
        }
      }
    }
  };
  return {
    forward() {
      each((at, start, height, width, share) => {
        let total = 0;
        for (let p = 0; p < height; p++) for (let q = 0; q < width; q++) total += x.data[start + p * iw + q]!;
        y.data[at] = total * share;
      });
    },
    backward() {
      const { grad } = x;
      if (!grad) return;
      each((at, start, height, width, share) => {
        const g = y.grad![at]! * share;
        for (let p = 0; p < height; p++) for (let q = 0; q < width; q++) grad[start + p * iw + q]! += g;
      });
    },
  };
}

const avgPool2d: OperationFactory = ({ attrs }, inputs, y) => {
  const [x] = inputs as [Value];
  const { kernel, stride, padding } = attrs as unknown as PoolAttrs;
  const span = (axis: 0 | 1) => (i: number) => {
    const start = i * stride[axis] - padding[2 * axis]!;
    return [Math.max(0, start), Math.min(x.shape[2 + axis]!, start + kernel[axis])] as const;
  };
  return average(x, y, span(0), span(1), attrs['countIncludePad'] === true ? kernel[0] * kernel[1] : undefined);
};

const adaptiveAvgPool2d: OperationFactory = (_node, inputs, y) => {
  const [x] = inputs as [Value];
  const span = (axis: number) => (i: number) => {
    const [from, to] = [x.shape[axis]!, y.shape[axis]!];
    return [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)] as const;
  };
  return average(x, y, span(2), span(3));
};

/** Zeros with probability p, the others divided by 1 - p; fresh in every step. */
const dropout: OperationFactory = (node, inputs, y): Operation => {
  const [x] = inputs as [Value];
  const keep = 1 - (node.attrs['p'] as number);
  const mask = new Float32Array(x.data.length);
  return {
    forward() {
      for (let i = 0; i < mask.length; i++) {
        mask[i] = Math.random() < keep ? 1 / keep : 0;
        y.data[i] = x.data[i]! * mask[i]!;
      }
    },
    backward() {
      if (x.grad) for (let i = 0; i < mask.length; i++) x.grad[i]! += y.grad![i]! * mask[i]!;
    },
  };
};

const FACTORIES: Readonly<Record<string, OperationFactory>> = {
  conv2d,
  linear,
  relu: piecewise(
    (x) => (x > 0 ? x : 0),
    (x) => x > 0,
  ),
  relu6: piecewise(
    (x) => (x > 6 ? 6 : x > 0 ? x : 0),
    (x) => x > 0 && x < 6,
  ),
  batchNorm,
  maxPool2d,
  avgPool2d,
  adaptiveAvgPool2d,
  add,
  concat,
  reshape,
  dropout,
};

export function factoryOf(op: string): OperationFactory {
  const factory = FACTORIES[op];
  if (factory) return factory;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `The plain-JavaScript peer has no operation ${op}.`);
}
