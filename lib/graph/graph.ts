/** What the compiler compiles, and rebuilding it node by node: the common part of the passes that map graphs to graphs. */

import { Tensor } from './tensor';
import { topologicalOrder } from './traverse';

/** One update of a graph: after a run `variable` holds what `value` was. */
export interface Update {
  readonly variable: Tensor;
  readonly value: Tensor;
}

/** What one specialisation computes. */
export interface Graph {
  /** Placeholders, in the order in which a run is fed. */
  readonly feeds: readonly Tensor[];
  /** Values handed back by a run, in logical order. */
  readonly outputs: readonly Tensor[];
  /** What variables hold after a run. */
  readonly updates: readonly Update[];
}

/** The nodes that a graph must compute. */
export function roots(graph: Graph): Tensor[] {
  return [...graph.outputs, ...graph.updates.map((update) => update.value)];
}

/**
 * Rewrites every node in topological order. `rule` sees a node whose inputs are already rewritten and returns its replacement
 * (the node itself if nothing changes). Names and leaves survive.
 */
export function rewrite(graph: Graph, rule: (node: Tensor, original: Tensor) => Tensor): Graph {
  const replaced = new Map<Tensor, Tensor>();
  for (const node of topologicalOrder(roots(graph))) {
    const inputs = node.inputs.map((input) => replaced.get(input)!);
    const same = inputs.every((input, i) => input === node.inputs[i]);
    replaced.set(node, rule(same ? node : withInputs(node, inputs), node));
  }
  return {
    feeds: graph.feeds,
    outputs: graph.outputs.map((node) => replaced.get(node)!),
    updates: graph.updates.map(({ variable, value }) => ({ variable, value: replaced.get(value)! })),
  };
}

/** The same operation on other inputs of the same shapes. */
export function withInputs(node: Tensor, inputs: readonly Tensor[]): Tensor {
  return Tensor.make(node.op, inputs, node.attrs, node.shape, node.dtype, node.name, node.leaf);
}
