/**
 * Folds evaluation-mode batch normalisation into the convolution before it:
 *
 *   batchNorm(conv2d(x, w, b), mean, variance, weight, bias)  ->  conv2d(x, w scale, (b - mean) scale + bias)
 *   with scale = weight / sqrt(variance + eps), one number per output channel
 *
 * where the convolution has no other use and all six operands are variables at rest (or constants). Then scale and new
 * bias belong to the prepare list, which multiplies the weight while it packs it, and are computed again only when a
 * variable changes. Elsewhere batch normalisation stays a pass of its own. The new nodes exist only inside the
 * compiler, so they have no gradient rule; they keep the name of the convolution.
 */

import { rewrite, roots, withParts, type Graph } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder, useCounts } from '../graph/traverse';

export function fold(graph: Graph): Graph {
  const order = topologicalOrder(roots(graph));
  if (!order.some(isEvaluation)) return graph;
  const uses = useCounts(roots(graph));
  const changing = new Set(graph.updates.flatMap(({ variables }) => variables));
  const resting = new Set<Tensor>();
  for (const node of order) {
    if (node.leaf) {
      if (node.leaf.kind !== 'input' && !changing.has(node)) resting.add(node);
    } else if (node.inputs.every((input) => resting.has(input))) resting.add(node);
  }
  return rewrite(graph, (node, original) => {
    if (!isEvaluation(original)) return node;
    const [conv, ...columns] = original.inputs as [Tensor, ...Tensor[]];
    const folds = conv.op === 'conv2d' && uses.get(conv) === 1 && !resting.has(conv);
    return folds && [...conv.inputs.slice(1), ...columns].every((x) => resting.has(x)) ? foldInto(node) : node;
  });
}

function isEvaluation(node: Tensor): boolean {
  return node.op === 'batchNorm' && node.attrs.training === false;
}

function foldInto(node: Tensor): Tensor {
  const [conv, mean, variance, weight, bias] = node.inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const [x, kernel, ...convBias] = conv.inputs as [Tensor, Tensor, ...Tensor[]];
  const columns = [mean, variance, weight, bias, ...convBias];
  const column = (op: string): Tensor =>
    withParts(mean, { op, inputs: columns, attrs: { eps: node.attrs.eps as number }, name: conv.name, leaf: undefined });
  const [scale, shift] = [column('batchNormScale'), column('batchNormShift')];
  const scaled = withParts(kernel, { op: 'scaledWeight', inputs: [kernel, scale], attrs: {}, name: conv.name, leaf: undefined });
  return withParts(conv, { inputs: [x, scaled, shift] });
}
