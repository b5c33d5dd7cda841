/**
 * Trades a little time for memory in training: what batch normalisation (with the sum and activation fused into it) gave forward is not kept
 * for the gradients but computed again from its input, which they need anyway, with the statistics that are known by then. One pass over
 * memory, the same instruction on the same numbers: no bit changes. It is how DenseNet trains in linear memory (Pleiss et al. 2017).
 *
 * Forward is what the graph's outputs (the loss) depend on. Convolutions, pooling and so on are kept as they are.
 */

import { rewrite, roots, withParts, type Graph } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import { withPassAttrs } from './passAttrs';

/** Smaller values are not worth an instruction. */
const MIN_BYTES = 2 ** 20;

export function recompute(graph: Graph): Graph {
  if (graph.updates.length === 0) return graph; // without updates there are no gradients to read anything
  const forward = new Set(topologicalOrder(graph.outputs));
  const again = new Recomputed(forward, usedBackward(graph, forward));
  return rewrite(graph, (node, original) => {
    if (forward.has(original)) return node;
    const inputs = node.inputs.map((input) => again.instead(input));
    return inputs.every((input, i) => input === node.inputs[i]) ? node : withParts(node, { inputs });
  });
}

/** The forward nodes that updates and others than forward nodes read. */
function usedBackward(graph: Graph, forward: ReadonlySet<Tensor>): Set<Tensor> {
  const backward = topologicalOrder(roots(graph)).filter((node) => !forward.has(node));
  const used = [...backward, ...graph.updates].flatMap(({ inputs }) => inputs);
  return new Set(used.filter((input) => forward.has(input)));
}

class Recomputed {
  private readonly copies = new Map<Tensor, Tensor | undefined>();

  constructor(
    private readonly forward: ReadonlySet<Tensor>,
    private readonly kept: ReadonlySet<Tensor>,
  ) {}

  /** What a gradient reads in place of `node`: the node itself, or its copy. */
  instead(node: Tensor): Tensor {
    return this.copyOf(node) ?? node;
  }

  private copyOf(node: Tensor): Tensor | undefined {
    if (!this.isCandidate(node)) return undefined;
    if (!this.copies.has(node)) {
      const inputs = node.inputs.map((input) => this.available(input));
      const copy = inputs.every((input) => input !== undefined) ? withPassAttrs(node, { recomputed: true }, inputs) : undefined;
      this.copies.set(node, copy);
    }
    return this.copies.get(node);
  }

  private isCandidate(node: Tensor): boolean {
    return node.op === 'batchNorm' && node.attrs.training === true && this.forward.has(node) && node.size * 4 >= MIN_BYTES;
  }

  /**
   * A node that has the value of a forward node when gradients run but takes no memory until then; undefined if there
   * is none.
   */
  private available(node: Tensor): Tensor | undefined {
    return this.copyOf(node) ?? (node.leaf || this.kept.has(node) ? node : undefined);
  }
}
