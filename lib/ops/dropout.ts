/**
 * Dropout. Its mask is a function of (seed, step, number of the node, element) and is computed anew where it is needed, so it needs no
 * memory and does not depend on threads; the gradient is dropout with the same numbers. Where the numbers come from is decided by
 * who builds the graph: a training graph feeds them (`withRandomStep`), anything else holds them as a constant.
 */

import { checkBoolean, checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { constantTensor } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { Philox } from '../random';
import { build, checkDType, checkRank, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { mul } from './elementwise';
import type { GradientContext } from './opDef';

/** Options of `ops.dropout` and `ops.dropout2d`. */
export interface DropoutOptions extends OpOptions {
  /** Whether anything is dropped; default true. Without, the result is the input. */
  training?: boolean | undefined;
  /** The same seed gives the same mask; default: the seed and step of the training graph, else drawn from `manualSeed`. */
  seed?: number | undefined;
}

interface DropoutAttrs extends Attrs {
  readonly p: number;
  /** Number of the node in its graph: tells masks of one step apart. */
  readonly node: number;
}

defineOp<DropoutAttrs>({
  name: 'dropout',
  infer: ({ inputs: [x] }) => ({ shape: x!.shape, dtype: 'float32' }),
  gradient: ({ inputs: [, random], attrs, dy }: GradientContext<DropoutAttrs>) => [build('dropout', [dy, random!], attrs), null],
});

interface RandomScope {
  readonly random: Tensor;
  count: number;
}
let scope: RandomScope | undefined;

/** What the operand `random` of a dropout holds: the seed's lower and upper 32 bits, and the step. */
export function randomStepValue(seed: number, step: number): Int32Array {
  return Int32Array.of(seed % 2 ** 32, seed / 2 ** 32, step);
}

/**
 * Builds a graph whose dropouts read seed and step from `random`, int32 [3], and are numbered in the order they are made.
 * @returns what `body` returns, and the number of dropouts
 */
export function withRandomStep<T>(random: Tensor, body: () => T): { result: T; count: number } {
  const outer = scope;
  const inner = (scope = { random, count: 0 });
  try {
    return { result: body(), count: inner.count };
  } finally {
    scope = outer;
  }
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `p` is in [0, 1) */
export function checkProbability(where: string, p: unknown): number {
  if (typeof p === 'number' && p >= 0 && p < 1) return p;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects p, the probability of dropping a number, to be in [0, 1) but got ${formatValue(p)}.`,
  );
}

/**
 * Sets each number to zero with probability p and multiplies the others by 1 / (1 - p).
 *
 * @param p in [0, 1); default 0.5
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_DTYPE_MISMATCH, ERR_UNKNOWN_OPTION
 * @example ops.dropout(x, 0.2, { seed: 1 })
 */
export function dropout(x: Tensor, p = 0.5, options: DropoutOptions = {}): Tensor<'float32'> {
  return drop('dropout', x, p, options, (input) => input);
}

/**
 * Dropout of whole channels: all of [n, c, :, :] is kept or set to zero.
 *
 * @param x [N, C, H, W]
 * @param p in [0, 1); default 0.5
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_DTYPE_MISMATCH, ERR_UNKNOWN_OPTION
 */
export function dropout2d(x: Tensor, p = 0.5, options: DropoutOptions = {}): Tensor<'float32'> {
  return drop('dropout2d', x, p, options, (input, where) => {
    checkRank(where, 'an input', input, 4, '[N, C, H, W]');
    const [n, c] = input.shape as [number, number];
    return constantTensor(new Float32Array(n * c).fill(1), [n, c, 1, 1], 'float32');
  });
}

/** @param masked what the mask is applied to: the input itself, or ones that the input is multiplied by */
function drop(op: string, x: Tensor, p: number, options: DropoutOptions, masked: (x: Tensor, where: string) => Tensor): Tensor {
  checkOptions(op, options, ['training', 'seed', 'name']);
  const where = describe(op, options.name ?? '');
  checkTensor(where, 'its input', x);
  checkDType(where, 'an input', x, 'float32');
  checkProbability(where, p);
  const source = masked(x, where);
  const fixed = options.seed === undefined ? undefined : checkInteger(where, 'seed', options.seed, 0);
  if (!checkBoolean(where, 'training', options.training ?? true) || p === 0) return x;
  let node = 0;
  let random: Tensor;
  if (scope && fixed === undefined) {
    ({ random } = scope);
    node = scope.count++;
  } else {
    random = constantTensor(randomStepValue(fixed ?? Philox.next().uint32(), 0), [3], 'int32');
  }
  // A p that float32 rounds to 1 keeps as little as there is.
  const rounded = Math.min(Math.fround(p), 1 - 2 ** -24);
  const dropped = build('dropout', [source, random], { p: rounded, node }, options.name);
  return source === x ? dropped : mul(x, dropped);
}
