/**
 * How large the gradient of each layer is, beside its weights: what a step measures besides when it is asked to. The squares are added up by the
 * program of the step, which has a form of its own for it; steps that measure nothing cost nothing.
 */

import type { Tensor } from '../graph/tensor';
import type { TypedArray } from '../graph/types';
import type { Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { sum } from '../ops/broadcast';
import { add, mul } from '../ops/elementwise';

/** A layer that has parameters of its own, all of them together. */
interface Layer {
  /** Where it is in the model. */
  readonly path: string;
  /** The name of its class. */
  readonly kind: string;
}

/** Euclidean norms (L2) in one step. */
export interface LayerNorms extends Layer {
  /** Of the gradient of the batch's loss, before it is clipped or accumulated. */
  readonly gradient: number;
  /** Of the parameters before the update. */
  readonly weights: number;
}

/** Their squares as tensors. */
export interface LayerSquares extends Layer {
  readonly gradient: Tensor;
  readonly weights: Tensor;
}

/** Of the layers that the loss depends on. @param gradients of the parameters, without those that it does not depend on */
export function layerSquares(
  model: Module,
  parameters: readonly Parameter[],
  gradients: readonly (Tensor | null | undefined)[],
): LayerSquares[] {
  const kinds = new Map(model.namedModules().map(([path, module]) => [path, module.constructor.name]));
  const layers = new Map<string, LayerSquares>();
  for (const [i, parameter] of parameters.entries()) {
    const gradient = gradients[i];
    if (!gradient) continue;
    const path = parameter.name.slice(0, Math.max(0, parameter.name.lastIndexOf('.')));
    const before = layers.get(path);
    const squares = { gradient: sum(mul(gradient, gradient)), weights: sum(mul(parameter, parameter)) };
    layers.set(path, {
      path,
      kind: kinds.get(path) ?? '',
      gradient: before ? add(before.gradient, squares.gradient) : squares.gradient,
      weights: before ? add(before.weights, squares.weights) : squares.weights,
    });
  }
  return [...layers.values()];
}

/** The outputs of a program that has these squares. */
export function squareOutputs(squares: readonly LayerSquares[]): Tensor[] {
  return squares.flatMap(({ gradient, weights }) => [gradient, weights]);
}

/** What a run of it gave. @param results its outputs, those of the squares last */
export function layerNorms(squares: readonly LayerSquares[], results: readonly TypedArray[]): LayerNorms[] {
  const first = results.length - 2 * squares.length;
  const norm = (output: number): number => Math.sqrt(results[output]![0]!);
  return squares.map(({ path, kind }, i) => ({ path, kind, gradient: norm(first + 2 * i), weights: norm(first + 2 * i + 1) }));
}
