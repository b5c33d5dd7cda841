/**
 * Checks what a pass has made of a graph. Passes make nodes without the checks of `build`, so a mistake of theirs would show as wrong
 * numbers, or as an instruction that native code refuses. Every node must have the shape and element type that its operation infers from
 * its operands, and the graph must take, give and update what it did before.
 */

import { formatShape } from '../errors';
import { roots, type Graph } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import type { DType, Shape } from '../graph/types';
import { describe, opDef } from '../ops/builder';
import { passAttrs } from './passAttrs';

/** Operations that exist only within the compiler; their results are like their first operands. */
const COMPILER_OPS: ReadonlySet<string> = new Set(['batchNormScale', 'batchNormShift', 'scaledWeight']);

/** @throws Error naming the pass and the first node that does not hold */
export function checkGraph(graph: Graph, before: Graph, pass: string): void {
  const refuse = (what: string): never => {
    throw new Error(`Internal error in the compiler: after ${pass}, ${what}.`);
  };
  for (const node of topologicalOrder(roots(graph))) {
    const problem = node.leaf ? problemOfLeaf(node) : problemOfOperation(node);
    if (problem !== undefined) refuse(`${describe(node.op, node.name)} ${problem}`);
  }
  if (!sameMembers(graph.feeds, before.feeds)) refuse('the graph has other feeds');
  if (!sameForms(graph.outputs, before.outputs)) refuse('the graph has outputs of another form');
  const sameUpdates =
    graph.updates.length === before.updates.length &&
    graph.updates.every(({ op, variables, inputs }, i) => {
      const old = before.updates[i]!;
      return op === old.op && sameMembers(variables, old.variables) && sameForms(inputs, old.inputs);
    });
  if (!sameUpdates) refuse('the graph has other updates');
}

function problemOfLeaf({ op, leaf, inputs }: Tensor): string | undefined {
  return op === leaf!.kind && inputs.length === 0 ? undefined : `is a leaf of kind ${leaf!.kind} with ${inputs.length} operands`;
}

function problemOfOperation(node: Tensor): string | undefined {
  const { epilogue, maskLimit } = passAttrs(node);
  const own = [...node.inputs];
  if (maskLimit !== undefined && formatForm(own.pop()) !== formatForm(own[1])) return 'has a mask of another form than its gradient';
  if (epilogue?.add && formatForm(own.pop()) !== formatForm(node)) return 'adds a value of another form than its result';
  if (epilogue && epilogue.bias !== own.length > 2) return `has ${own.length} operands of its own, which its epilogue does not expect`;
  try {
    const expected = formatForm(inferred(node, own));
    return formatForm(node) === expected ? undefined : `is ${formatForm(node)} but its operands give ${expected}`;
  } catch (error) {
    return `is refused: ${(error as Error).message.replace(/\.$/, '')}`;
  }
}

function inferred({ op, attrs, name }: Tensor, inputs: readonly Tensor[]): { shape: Shape; dtype: DType } {
  return COMPILER_OPS.has(op) ? inputs[0]! : opDef(op).infer({ where: describe(op, name), inputs, attrs });
}

function formatForm(value: { shape: Shape; dtype: DType } | undefined): string {
  return value ? `${value.dtype} ${formatShape(value.shape)}` : 'absent';
}

function sameForms(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return a.length === b.length && a.every((node, i) => formatForm(node) === formatForm(b[i]));
}

function sameMembers(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return a.length === b.length && a.every((node, i) => node === b[i]);
}
