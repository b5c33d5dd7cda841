/**
 * Reverse-mode differentiation: one walk from the loss to the leaves, asking each operation for its gradient rule. The results
 * are ordinary nodes, so they can be printed, fused and differentiated again.
 */

import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import { scalar } from '../graph/leaves';
import { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import { broadcastTo } from './broadcast';
import { describe, opDef, withDefaultName } from './builder';
import { add } from './elementwise';

/**
 * The gradients of `loss` with respect to `wrt`, null for what the loss does not depend on.
 * @param loss a tensor of one element @throws StridenetError ERR_NOT_DIFFERENTIABLE on a path through an operation without a rule
 */
export function differentiate(loss: Tensor, wrt: readonly Tensor[]): (Tensor | null)[] {
  const order = topologicalOrder([loss]);
  const wanted = new Set(wrt);
  // Nodes between wrt and loss.
  const active = new Set<Tensor>();
  for (const node of order) if (wanted.has(node) || node.inputs.some((input) => active.has(input))) active.add(node);

  const adjoints = new Map<Tensor, Tensor>([[loss, broadcastTo(scalar(1), loss.shape)]]);
  for (const node of order.reverse()) {
    const dy = adjoints.get(node);
    if (!dy || !active.has(node) || node.inputs.length === 0) continue;
    const def = opDef(node.op);
    if (!node.inputs.some((input) => active.has(input))) continue;
    if (!def.gradient) {
      throw new StridenetError('ERR_NOT_DIFFERENTIABLE', `grad cannot pass through ${describe(node.op, node.name)}: it has no derivative.`);
    }
    const context = {
      inputs: node.inputs,
      attrs: node.attrs,
      output: node,
      dy,
      needs: node.inputs.map((input) => active.has(input)),
      name: node.name,
    };
    const gradients = withDefaultName(node.name && `${node.name}/grad`, () => def.gradient!(context));
    for (const [i, input] of node.inputs.entries()) {
      const gradient = gradients[i];
      if (!gradient || !active.has(input)) continue;
      const sofar = adjoints.get(input);
      adjoints.set(input, sofar ? withDefaultName(node.name && `${node.name}/grad`, () => add(sofar, gradient)) : gradient);
    }
  }
  return wrt.map((tensor) => adjoints.get(tensor) ?? null);
}

/**
 * The gradients of a loss as tensors, so that second derivatives and hand-written training loops work.
 *
 * @param loss a tensor of one element
 * @param wrt the tensors to differentiate by
 * @returns one tensor for each of `wrt`, of its shape
 * @throws StridenetError ERR_SHAPE_MISMATCH for a loss of several elements; ERR_NOT_DIFFERENTIABLE when the loss does not depend on
 *   one of `wrt` or a path leads through an operation without a derivative
 * @example
 * const x = tensor([3]);
 * const [gradient] = ops.grad(ops.sum(ops.mul(x, x)), [x]);
 * await gradient!.array(); // [6]
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): Tensor<'float32'>[] {
  const tensors = readArray(wrt, Infinity);
  if (!Tensor.is(loss) || !tensors?.every(Tensor.is)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `grad expects a loss and an array of tensors but got ${formatValue(loss)} and ${formatValue(wrt)}.`,
    );
  }
  if (loss.size !== 1) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `grad expects a loss of one element but got shape ${formatShape(loss.shape)}. Reduce it with sum or mean.`,
    );
  }
  return differentiate(loss, tensors).map((gradient, i) => {
    if (gradient) return gradient;
    throw new StridenetError(
      'ERR_NOT_DIFFERENTIABLE',
      `grad expects a loss that depends on every tensor it is given but it does not depend on number ${i}, ${tensors[i]!.name || 'a tensor'} of shape ${formatShape(tensors[i]!.shape)}.`,
    );
  });
}
