/**
 * Gradient rules against central differences, in float64 through the reference, along one random direction of all operands together.
 */

import type { Tensor } from '../../lib/graph/tensor';
import { interpret } from '../reference/interpret';
import type { Array64 } from '../reference/array64';
import type { RowGraph } from './opRow';
import { directionOf } from './values';

const STEP = 1e-5;

export interface SlopeComparison {
  readonly analytic: number;
  readonly numeric: number;
  /** Sum of the magnitudes of the terms of the analytic slope: what the difference is relative to. */
  readonly scale: number;
}

/** The slope of `loss` along a random direction of `variables`: from `gradients`, and from central differences. */
export function compareSlopes(loss: Tensor, variables: readonly Tensor[], gradients: readonly Tensor[], seed = 11): SlopeComparison {
  const at = interpret([loss, ...gradients, ...variables]);
  const directions = variables.map((v, i) => directionOf(v.size, seed + i));
  let analytic = 0;
  let scale = 0;
  gradients.forEach((gradient, i) => {
    at.get(gradient)!.data.forEach((g, j) => {
      analytic += g * directions[i]![j]!;
      scale += Math.abs(g * directions[i]![j]!);
    });
  });
  const lossAt = (step: number): number => {
    const moved = new Map(
      variables.map((v, i): [Tensor, Array64] => [
        v,
        { shape: v.shape, data: at.get(v)!.data.map((x, j) => x + step * directions[i]![j]!) },
      ]),
    );
    return interpret([loss], moved).get(loss)!.data[0]!;
  };
  return { analytic, numeric: (lossAt(STEP) - lossAt(-STEP)) / (2 * STEP), scale };
}

/** First and second order comparisons of a row. */
export function rowSlopes(graph: RowGraph): { readonly order: number; readonly comparison: SlopeComparison }[] {
  const variables = graph.operands.filter((operand) => operand.dtype === 'float32');
  const result = [];
  if (graph.loss) result.push({ order: 1, comparison: compareSlopes(graph.loss, variables, graph.gradients) });
  if (graph.slope) {
    result.push({ order: 2, comparison: compareSlopes(graph.slope, [...variables, graph.weighting!], graph.secondGradients) });
  }
  return result;
}
