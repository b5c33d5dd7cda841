/** What the compiler compiles, and rebuilding it node by node: the common part of the passes that map graphs to graphs. */

import { Tensor, type NodeParts } from './tensor';
import { topologicalOrder } from './traverse';

/**
 * One instruction that writes variables in place, each element by itself. All updates of a graph see `inputs` as they were before the step. One
 * whose numbers are not all finite changes nothing: that is how a step whose loss is NaN is skipped, by way of its learning rate.
 */
export interface Update {
  /** The instruction that computes it, such as 'sgd' or 'runningAverage'. */
  readonly op: string;
  /** What it reads and writes, all of one shape and in the order of the instruction: a parameter, then its state. */
  readonly variables: readonly Tensor[];
  /** A tensor of the variables' shape, such as the gradient, and behind it single numbers, such as the learning rate. */
  readonly inputs: readonly Tensor[];
  /** The constants of the formula, such as the momentum. */
  readonly attributes: Readonly<Record<string, number | boolean>>;
}

/** What one specialisation computes. */
export interface Graph {
  /** Placeholders, in the order in which a run is fed. */
  readonly feeds: readonly Tensor[];
  /** Values handed back by a run, in logical order. */
  readonly outputs: readonly Tensor[];
  /** How a run changes variables. */
  readonly updates: readonly Update[];
}

/** The nodes that a graph must compute, and the variables that it writes. */
export function roots(graph: Graph): Tensor[] {
  return [...graph.outputs, ...graph.updates.flatMap(({ variables, inputs }) => [...variables, ...inputs])];
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
    replaced.set(node, rule(same ? node : withParts(node, { inputs }), node));
  }
  return {
    feeds: graph.feeds,
    outputs: graph.outputs.map((node) => replaced.get(node)!),
    updates: graph.updates.map((update) => ({ ...update, inputs: update.inputs.map((input) => replaced.get(input)!) })),
  };
}

/** The node with other parts in place of some of its own. */
export function withParts(node: Tensor, parts: Partial<NodeParts>): Tensor {
  const { op, inputs, attrs, shape, dtype, name, leaf } = node;
  return Tensor.make({ op, inputs, attrs, shape, dtype, name, leaf, ...parts });
}
