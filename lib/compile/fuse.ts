/**
 * All fusions, each of which makes one node, computed by a single instruction, of several:
 *
 *   conv2d | linear | matmul, [+ same-shaped tensor], [activation]   ->  <op> with attrs.epilogue
 *   batchNorm likewise
 *   batchNormGradWeight | -Bias | -Input of reluGrad | relu6Grad(dy, y)        ->  the same with y as mask and attrs.maskLimit
 *   reluGrad(maxPool2dGrad(x, dy), x)                                          ->  maxPool2dGrad with attrs.reluMask
 *
 * Fused nodes exist only inside the compiler: they have no gradient rule. A weight gradient and its bias gradient are joined
 * later, in `lower`, where an instruction may have two outputs.
 */

import { rewrite, roots, type Graph } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder, useCounts } from '../graph/traverse';
import { passAttrs, withPassAttrs, type Epilogue } from './passAttrs';

const ACTIVATIONS: ReadonlySet<string> = new Set(['relu', 'sigmoid', 'tanh', 'relu6', 'silu', 'hardswish']);
const PRODUCERS: ReadonlySet<string> = new Set(['conv2d', 'linear', 'matmul', 'batchNorm']);
const BATCH_NORM_GRADIENTS: ReadonlySet<string> = new Set(['batchNormGradWeight', 'batchNormGradBias', 'batchNormGradInput']);
/** Derivatives (dy, y) that let dy through where 0 < y < limit, with their limits. */
const MASK_LIMITS: ReadonlyMap<string, number> = new Map([
  ['reluGrad', Infinity],
  ['relu6Grad', 6],
]);

/** The epilogue of a producer node, fused or not. */
export function epilogueOf(node: Tensor): Epilogue {
  return passAttrs(node).epilogue ?? { bias: node.inputs.length > 2, add: false, activation: 'none' };
}

export function fuse(graph: Graph): Graph {
  const uses = useCounts(roots(graph));
  // For each rewritten node, how often its original is used. A node that is used once may become part of its user.
  const usedOnce = new Set<Tensor>();
  const masks = findMasks(graph);
  return rewrite(graph, (node, original) => {
    const fused = masks.has(original.inputs[1]!) && BATCH_NORM_GRADIENTS.has(node.op) ? withMask(node) : fuseNode(node, usedOnce);
    if (uses.get(original) === 1) usedOnce.add(fused);
    return fused;
  });
}

function fuseNode(node: Tensor, usedOnce: ReadonlySet<Tensor>): Tensor {
  const [a, b] = node.inputs;
  if (ACTIVATIONS.has(node.op) && usedOnce.has(a!) && isOpenProducer(a!)) {
    return withPassAttrs(a!, { epilogue: { ...epilogueOf(a!), activation: node.op as Epilogue['activation'] } });
  }
  if (node.op === 'add') {
    // The later of two producers takes over the sum, because the other operand exists by then.
    const candidates = [a!, b!].filter((x) => usedOnce.has(x) && isOpenProducer(x) && !epilogueOf(x).add && sameShape(x, node));
    const producer = candidates.sort((x, y) => y.id - x.id)[0];
    const other = producer === a ? b! : a!;
    if (producer && other !== producer && sameShape(other, node)) {
      return withPassAttrs(producer, { epilogue: { ...epilogueOf(producer), add: true } }, [...producer.inputs, other]);
    }
  }
  if (node.op === 'reluGrad' && a!.op === 'maxPool2dGrad' && a!.inputs[0] === b && usedOnce.has(a!)) {
    return withPassAttrs(a!, { reluMask: true });
  }
  return node;
}

/**
 * The derivatives of relu and relu6 that only gradients of batch normalisation read, as their dy: those can apply the
 * mask themselves.
 */
function findMasks(graph: Graph): Set<Tensor> {
  const masks = new Set<Tensor>();
  const others = new Set<Tensor>(roots(graph));
  for (const node of topologicalOrder(roots(graph))) {
    for (const [i, input] of node.inputs.entries()) {
      if (MASK_LIMITS.has(input.op)) (i === 1 && BATCH_NORM_GRADIENTS.has(node.op) ? masks : others).add(input);
    }
  }
  for (const node of masks) if (others.has(node) || !node.inputs.every((input) => sameShape(input, node))) masks.delete(node);
  return masks;
}

/** The mask becomes the last operand, unless the gradient of pooling has already applied it. */
function withMask(node: Tensor): Tensor {
  const [x, masked, ...rest] = node.inputs as [Tensor, Tensor, ...Tensor[]];
  const maskLimit = MASK_LIMITS.get(masked.op);
  if (maskLimit === undefined) return node;
  const [dy, y] = masked.inputs as [Tensor, Tensor];
  return withPassAttrs(node, { maskLimit }, [x, dy, ...rest, y]);
}

/** Whether a producer has no activation yet, so that what follows may still become part of it. */
function isOpenProducer(node: Tensor): boolean {
  // A product whose first operand is transposed becomes matmul_at_b, which has no epilogue.
  return PRODUCERS.has(node.op) && node.attrs.transposeA !== true && epilogueOf(node).activation === 'none';
}

function sameShape(a: Tensor, b: Tensor): boolean {
  return a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);
}
