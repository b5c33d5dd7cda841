/**
 * Removes work that changes nothing: equal nodes become one, and operations that undo or repeat each other disappear.
 * Every rule keeps each bit of the results.
 */

import { exactKey } from '../graph/exactKey';
import { rewrite, withParts, type Graph } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import type { Shape } from '../graph/types';

export function simplify(graph: Graph): Graph {
  const seen = new Map<string, Tensor>();
  return rewrite(graph, (node) => {
    const simple = simplifyNode(node);
    if (simple.leaf) return simple;
    const key = `${simple.op} ${exactKey(simple.attrs)} ${simple.inputs.map((input) => input.id).join()}`;
    const known = seen.get(key);
    if (known) return known;
    seen.set(key, simple);
    return simple;
  });
}

function simplifyNode(node: Tensor): Tensor {
  const [a, b] = node.inputs;
  switch (node.op) {
    case 'reshape':
      if (sameShape(a!.shape, node.shape)) return a!;
      if (a!.op === 'reshape') {
        const source = a!.inputs[0]!;
        return sameShape(source.shape, node.shape) ? source : withParts(node, { inputs: [source] });
      }
      return node;
    case 'broadcastTo':
      return sameShape(a!.shape, node.shape) ? a! : node;
    case 'transpose':
      if (a!.op === 'transpose') {
        const inner = a!.attrs.permutation as number[];
        const joined = (node.attrs.permutation as number[]).map((axis) => inner[axis]!);
        if (joined.every((axis, i) => axis === i)) return a!.inputs[0]!;
      }
      return node;
    case 'neg':
      return a!.op === 'neg' ? a!.inputs[0]! : node;
    case 'relu':
      return a!.op === 'relu' ? a! : node;
    case 'mul':
      if (isConstant(b!, 1) && sameShape(a!.shape, node.shape)) return a!;
      if (isConstant(a!, 1) && sameShape(b!.shape, node.shape)) return b!;
      return node;
    case 'div':
      return isConstant(b!, 1) && sameShape(a!.shape, node.shape) ? a! : node;
    case 'pow':
      return isConstant(b!, 1) && sameShape(a!.shape, node.shape) ? a! : node;
    default:
      return node;
  }
}

function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

function isConstant(node: Tensor, value: number): boolean {
  return node.leaf?.kind === 'constant' && node.size === 1 && node.leaf.data[0] === value;
}
