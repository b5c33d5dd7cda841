/**
 * Folds evaluation-mode batch normalisation into the convolution before it:
 *
 *   batchNorm(conv2d(x, w, b), mean, variance, weight, bias)  ->  conv2d(x, w scale, (b - mean) scale + bias)
 *   with scale = weight / sqrt(variance + eps), one number per output channel
 *
 * where the convolution has no other use and all six are variables at rest (or constants): then the new weight and bias belong to
 * the prepare list and are made again only when a variable changes. Elsewhere batch normalisation stays one pass of its own.
 * The nodes for them exist only inside the compiler: they have no gradient rule. Names survive.
 */

import { Tensor } from '../graph/tensor';
import { topologicalOrder, useCounts } from '../graph/traverse';
import { rewrite, roots, type Graph } from './rewrite';

export function fold(graph: Graph): Graph {
  const order = topologicalOrder(roots(graph));
  if (!order.some(isEvaluation)) return graph;
  const uses = useCounts(roots(graph));
  const changing = new Set(graph.updates.map(({ variable }) => variable));
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
  const attrs = { eps: node.attrs.eps as number };
  const folded = (op: string, inputs: readonly Tensor[], like: Tensor): Tensor =>
    new Tensor(op, inputs, attrs, like.shape, like.dtype, conv.name);
  const scaled = folded('batchNormFoldWeight', [kernel, variance, weight], kernel);
  const shift = folded('batchNormFoldBias', [mean, variance, weight, bias, ...convBias], mean);
  return new Tensor('conv2d', [x, scaled, shift], conv.attrs, conv.shape, conv.dtype, conv.name);
}
