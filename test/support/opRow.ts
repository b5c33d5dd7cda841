/**
 * A row of an operation's table, and what is computed for it: the output, its gradients along a fixed weighting, and the gradients of
 * those along fixed directions.
 */

import { differentiate } from '../../lib/ops/differentiate';
import { constantTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import type { DType } from '../../lib/graph/types';
import { add, mul } from '../../lib/ops/elementwise';
import { sum } from '../../lib/ops/broadcast';
import { directionOf, valuesOf, type Operand } from './values';

export interface OpRow {
  readonly name: string;
  readonly operands: readonly Operand[];
  /** Builds the output from tensors of the operands. */
  readonly build: (...operands: Tensor[]) => Tensor;
  /** How often the row is differentiated: 2 unless the operation has no (second) derivative. */
  readonly order?: 0 | 1 | 2;
}

/** The rows of one family of operations. */
export interface OpTable {
  readonly family: string;
  readonly rows: readonly OpRow[];
}

/** The graph of a row. */
export interface RowGraph {
  readonly operands: readonly Tensor[];
  readonly output: Tensor;
  /** sum(output weighting), absent with order 0, as the next three. */
  readonly loss?: Tensor;
  readonly weighting?: Tensor;
  readonly gradients: readonly Tensor[];
  /** sum over the gradients of sum(gradient direction). */
  readonly slope?: Tensor;
  readonly secondGradients: readonly Tensor[];
  /** Everything to evaluate, by name. */
  readonly results: readonly { readonly name: string; readonly tensor: Tensor }[];
}

export function rowGraph(row: OpRow): RowGraph {
  const operands = row.operands.map((operand, i) => {
    const dtype: DType = operand.kind === 'labels' ? 'int32' : 'float32';
    return constantTensor(valuesOf(operand, i), operand.shape, dtype);
  });
  const output = row.build(...operands);
  const order = row.order ?? 2;
  const results = [{ name: 'output', tensor: output }];
  if (order === 0) return { operands, output, gradients: [], secondGradients: [], results };

  const variables = operands.filter((operand) => operand.dtype === 'float32');
  const weighting = direction(output, 1);
  const loss = sum(mul(output, weighting));
  const gradients = gradientsOf(loss, variables);
  gradients.forEach((tensor, i) => results.push({ name: `gradient ${i}`, tensor }));
  if (order === 1) return { operands, output, loss, weighting, gradients, secondGradients: [], results };

  const slope = gradients.map((gradient, i) => sum(mul(gradient, direction(gradient, 2 + i)))).reduce((a, b) => add(a, b));
  // With respect to the weighting too: that is the derivative of the gradient's own operand dy.
  const secondGradients = gradientsOf(slope, [...variables, weighting]);
  secondGradients.forEach((tensor, i) => results.push({ name: `second gradient ${i}`, tensor }));
  return { operands, output, loss, weighting, gradients, slope, secondGradients, results };
}

function direction(like: Tensor, seed: number): Tensor {
  return constantTensor(directionOf(like.size, seed), like.shape, 'float32');
}

/** Gradients with zeros where the function does not depend on a variable. */
function gradientsOf(loss: Tensor, variables: readonly Tensor[]): Tensor[] {
  return differentiate(loss, variables).map(
    (g, i) => g ?? constantTensor(new Float32Array(variables[i]!.size), variables[i]!.shape, 'float32'),
  );
}
