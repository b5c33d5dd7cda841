/** Matrix products: matmul (with either operand transposed) and the linear layer. */

import { checkOptions, formatShape, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { sum } from './broadcast';
import { build, checkDType, checkTensor, defineOp, describe, type OpOptions } from './builder';
import type { GradientContext } from './opDef';
import { reshape } from './shape';

export interface MatmulAttrs extends Attrs {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

function product(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean, name = ''): Tensor {
  return build('matmul', [a, b], { transposeA, transposeB }, name);
}

defineOp<MatmulAttrs>({
  name: 'matmul',
  infer({ where, inputs: [a, b], attrs }) {
    for (const [what, t] of [['a first operand', a!] as const, ['a second operand', b!] as const]) {
      checkDType(where, what, t, 'float32');
      if (t.rank !== 2) {
        throw new StridenetError(
          'ERR_SHAPE_MISMATCH',
          `${where} expects ${what} of shape [rows, columns] but got ${formatShape(t.shape)}.`,
        );
      }
    }
    const [m, k] = attrs.transposeA ? [a!.shape[1]!, a!.shape[0]!] : [a!.shape[0]!, a!.shape[1]!];
    const [k2, n] = attrs.transposeB ? [b!.shape[1]!, b!.shape[0]!] : [b!.shape[0]!, b!.shape[1]!];
    if (k !== k2) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects equal inner extents but multiplies ${formatShape([m, k])} by ${formatShape([k2, n])}. Transpose one operand, or check its shape.`,
      );
    }
    return { shape: [m, n], dtype: 'float32' };
  },
  // y = A B with A = a or its transpose, B likewise: dA = dy B^T, dB = A^T dy.
  gradient({ inputs: [a, b], attrs: { transposeA, transposeB }, dy, needs }: GradientContext<MatmulAttrs>) {
    return [
      needs[0] ? (transposeA ? product(b!, dy, transposeB, true) : product(dy, b!, false, !transposeB)) : null,
      needs[1] ? (transposeB ? product(dy, a!, true, transposeA) : product(a!, dy, !transposeA, false)) : null,
    ];
  },
});

defineOp({
  name: 'linear',
  infer({ where, inputs: [x, weight, bias] }) {
    for (const [what, t] of [['an input', x!] as const, ['a weight', weight!] as const]) checkDType(where, what, t, 'float32');
    if (weight!.rank !== 2) {
      throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects a weight of shape [out, in] but got ${formatShape(weight!.shape)}.`);
    }
    const [outFeatures, inFeatures] = weight!.shape as [number, number];
    if (x!.rank !== 2 || x!.shape[1] !== inFeatures) {
      const hint =
        x!.rank > 2
          ? 'Flatten it first (ops.flatten or nn.Flatten).'
          : `Pass inFeatures ${x!.shape.at(-1) ?? 1}, or check the layer before it.`;
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects an input of shape [N, ${inFeatures}] (its weight is ${formatShape(weight!.shape)}) but its input is ${formatShape(x!.shape)}. ${hint}`,
      );
    }
    if (bias) {
      checkDType(where, 'a bias', bias, 'float32');
      if (bias.rank !== 1 || bias.shape[0] !== outFeatures) {
        throw new StridenetError(
          'ERR_SHAPE_MISMATCH',
          `${where} expects a bias of shape [${outFeatures}] but got ${formatShape(bias.shape)}.`,
        );
      }
    }
    return { shape: [x!.shape[0]!, outFeatures], dtype: 'float32' };
  },
  gradient({ inputs: [x, weight], dy, needs, name }: GradientContext) {
    const suffixed = (suffix: string): string => name && `${name}/${suffix}`;
    return [
      needs[0] ? product(dy, weight!, false, false, suffixed('gradInput')) : null,
      needs[1] ? product(dy, x!, true, false, suffixed('gradWeight')) : null,
      needs[2] ? sum(dy, { axis: 0, name: suffixed('gradBias') }) : null,
    ];
  },
});

/**
 * Matrix product. A first operand with more than two axes is treated as a stack of rows.
 *
 * @param a [..., k] @param b [k, n]
 * @returns [..., n]
 * @throws StridenetError ERR_SHAPE_MISMATCH
 */
export function matmul(a: Tensor, b: Tensor, options: OpOptions = {}): Tensor<'float32'> {
  checkOptions('matmul', options, ['name']);
  checkTensor('matmul', 'its first operand', a);
  checkTensor('matmul', 'its second operand', b);
  if (a.rank <= 2) return product(a, b, false, false, options.name);
  const rows = product(reshape(a, [-1, a.shape.at(-1)!]), b, false, false, options.name);
  return reshape(rows, [...a.shape.slice(0, -1), rows.shape[1]!]);
}

/** Options of `ops.linear`. */
export interface LinearOptions extends OpOptions {
  /** Added to each row, [out]; default none. */
  bias?: Tensor | undefined;
}

/**
 * A fully connected layer: y = x weight^T + bias.
 *
 * @param x [N, in] @param weight [out, in]
 * @returns [N, out]
 * @throws StridenetError ERR_SHAPE_MISMATCH
 */
export function linear(x: Tensor, weight: Tensor, options: LinearOptions = {}): Tensor<'float32'> {
  checkOptions('linear', options, ['bias', 'name']);
  const { bias, name = '' } = options;
  const where = describe('linear', name);
  checkTensor(where, 'its input', x);
  checkTensor(where, 'its weight', weight);
  if (bias !== undefined) checkTensor(where, 'its bias', bias);
  return build('linear', bias ? [x, weight, bias] : [x, weight], {}, name);
}
