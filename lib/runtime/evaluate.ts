/**
 * Values of tensors outside of any module: what `array()`, `data()` and `item()` await. The subgraph behind the tensors is
 * brought into a canonical form whose leaves are feeds, so that equal computations on other numbers share one program.
 * Importing this file makes tensors able to compute themselves.
 */

import { compileGraph } from '../compile/compile';
import { StridenetError } from '../errors';
import { exactKey } from '../graph/exactKey';
import { withParts } from '../graph/graph';
import { inputTensor } from '../graph/leaves';
import { registerEvaluator, type Evaluator, type Tensor } from '../graph/tensor';
import type { TypedArray } from '../graph/types';
import { describe } from '../ops/builder';
import { compilerSwitches } from './binding';
import { ProgramCache, type CachedProgram } from './programCache';
import { nativeQueries } from './queries';
import { Session, type LoadedProgram } from './session';
import { State } from './state';

/** A subgraph on its way to being computed. */
export interface Subgraph {
  /** Inputs before users; leaves are constants, variables and tensors whose value is known. */
  readonly nodes: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly isLeaf: (node: Tensor) => boolean;
  /** Equal for subgraphs that differ in numbers and names only. */
  readonly key: string;
  readonly readsVariables: boolean;
}

class EagerEvaluator implements Evaluator {
  private session: Session | undefined;
  private readonly programs = new ProgramCache<LoadedProgram>((program) => program.unload());

  async evaluate(tensors: readonly Tensor[]): Promise<TypedArray[]> {
    const wanted = gather(tensors);
    if (wanted.outputs.length > 0) {
      const { session, loaded, feeds } = this.ready(wanted);
      loaded.runBegins();
      try {
        return finish(tensors, wanted, await session.run(loaded.value, feeds));
      } finally {
        loaded.runEnds();
      }
    }
    return finish(tensors, wanted, []);
  }

  evaluateSync(tensors: readonly Tensor[]): TypedArray[] {
    const wanted = gather(tensors);
    if (wanted.outputs.length > 0) {
      const { session, loaded, feeds } = this.ready(wanted);
      return finish(tensors, wanted, session.runSync(loaded.value, feeds));
    }
    return finish(tensors, wanted, []);
  }

  private ready(wanted: Subgraph): { session: Session; loaded: CachedProgram<LoadedProgram>; feeds: TypedArray[] } {
    const session = (this.session ??= new Session({ state: new State() }));
    const loaded = this.programs.get(wanted.key, () => session.load(compileSubgraph(wanted)));
    return { session, loaded, feeds: wanted.nodes.filter(wanted.isLeaf).map(leafValue) };
  }
}

/**
 * What must be computed for `tensors`.
 * @throws StridenetError ERR_INVALID_ARGUMENT when a placeholder lies behind them
 */
export function gather(tensors: readonly Tensor[]): Subgraph {
  tensors.forEach(refusePlaceholder);
  const isLeaf = (node: Tensor): boolean => node.leaf !== undefined || node.value !== undefined;
  const outputs = [...new Set(tensors)].filter((node) => !isLeaf(node));
  const index = new Map<Tensor, number>();
  const nodes: Tensor[] = [];
  const parts: string[] = [];
  let readsVariables = false;
  const visit = (node: Tensor): void => {
    index.set(node, nodes.length);
    nodes.push(node);
    refusePlaceholder(node);
    readsVariables ||= node.leaf?.kind === 'variable';
    parts.push(
      isLeaf(node)
        ? `${node.dtype}[${node.shape.join()}]`
        : `${node.op}${exactKey(node.attrs)}(${node.inputs.map((input) => index.get(input)).join()})`,
    );
  };
  // Iterative: a graph may be deeper than the call stack.
  const stack: { node: Tensor; next: number }[] = [];
  const entered = new Set<Tensor>();
  const enter = (node: Tensor): void => {
    if (entered.has(node)) return;
    entered.add(node);
    stack.push({ node, next: 0 });
  };
  for (const output of outputs) {
    enter(output);
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const input = isLeaf(top.node) ? undefined : top.node.inputs[top.next++];
      if (input) {
        enter(input);
      } else {
        visit(top.node);
        stack.pop();
      }
    }
  }
  parts.push(outputs.map((node) => index.get(node)).join());
  return { nodes, outputs, isLeaf, key: parts.join(';'), readsVariables };
}

function refusePlaceholder(node: Tensor): void {
  if (node.leaf?.kind !== 'input') return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${describe('input', node.name)} is a placeholder: it has a value only while a compiled model runs.`,
  );
}

/** Builds the same computation with a feed in place of every leaf. */
function compileSubgraph({ nodes, outputs, isLeaf }: Subgraph): ReturnType<typeof compileGraph> {
  const canonical = new Map<Tensor, Tensor>();
  const feeds: Tensor[] = [];
  for (const node of nodes) {
    if (isLeaf(node)) {
      const name = node.name || `input${feeds.length}`;
      const feed = inputTensor({ name, feedDType: node.dtype, layout: 'nchw' }, node.shape, node.dtype);
      feeds.push(feed);
      canonical.set(node, feed);
    } else {
      const inputs = node.inputs.map((input) => canonical.get(input)!);
      canonical.set(node, withParts(node, { inputs }));
    }
  }
  const graph = { feeds, outputs: outputs.map((node) => canonical.get(node)!), updates: [] };
  return compileGraph(graph, nativeQueries(), compilerSwitches());
}

/** The value of a leaf in logical order. */
function leafValue(node: Tensor): TypedArray {
  return node.leaf?.kind === 'variable' ? node.leaf.storage.value() : node.value!;
}

/** Values of `tensors`. They are remembered where they cannot change: a result that depends on a variable can. */
function finish(tensors: readonly Tensor[], { outputs, readsVariables }: Subgraph, results: readonly TypedArray[]): TypedArray[] {
  if (!readsVariables) for (const [i, node] of outputs.entries()) node.remember(results[i]!);
  const computed = new Map(outputs.map((node, i) => [node, results[i]!]));
  return tensors.map((node) => computed.get(node) ?? leafValue(node));
}

registerEvaluator(new EagerEvaluator());
