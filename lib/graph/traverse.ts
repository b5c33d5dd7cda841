/** Walking a graph from its outputs towards its leaves. */

import type { Tensor } from './tensor';

/**
 * Every node that `outputs` depend on, inputs before users (iterative: graphs may be deep).
 * @param known left out, with all that only they depend on
 */
export function topologicalOrder(outputs: readonly Tensor[], known: readonly Tensor[] = []): Tensor[] {
  const order: Tensor[] = [];
  const seen = new Set<Tensor>(known);
  const stack: { node: Tensor; next: number }[] = [];
  for (const output of outputs) {
    if (seen.has(output)) continue;
    seen.add(output);
    stack.push({ node: output, next: 0 });
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const input = top.node.inputs[top.next++];
      if (input === undefined) {
        order.push(top.node);
        stack.pop();
      } else if (!seen.has(input)) {
        seen.add(input);
        stack.push({ node: input, next: 0 });
      }
    }
  }
  return order;
}

/** How often each node is used as an input within the graph of `outputs`; outputs count once more. */
export function useCounts(outputs: readonly Tensor[]): Map<Tensor, number> {
  const counts = new Map<Tensor, number>();
  const count = (node: Tensor): void => void counts.set(node, (counts.get(node) ?? 0) + 1);
  for (const node of topologicalOrder(outputs)) node.inputs.forEach(count);
  outputs.forEach(count);
  return counts;
}
