/** Compiles and runs tensors on native code with everything that may vary under control: threads, fusion, memory plan, algorithm. */

import { compileGraph } from '../../lib/compile/compile';
import type { Candidate, NativeQueries } from '../../lib/compile/ir';
import { ALGORITHM } from '../../lib/compile/opcodes';
import { type Tensor } from '../../lib/graph/tensor';
import { VariableStorage } from '../../lib/graph/storage';
import { topologicalOrder } from '../../lib/graph/traverse';
import { variableTensor } from '../../lib/graph/leaves';
import type { TypedArray } from '../../lib/graph/types';
import { rewrite } from '../../lib/graph/graph';
import { binding, fromNative } from '../../lib/runtime/binding';
import { nativeQueries } from '../../lib/runtime/queries';
import { State } from '../../lib/runtime/state';
import type { WinogradForm } from './winograd';

export interface Variation {
  readonly name: string;
  readonly threads: number;
  /** Default true: nodes are fused into epilogues. */
  readonly fuse?: boolean;
  /** Default true: buffers share memory. */
  readonly sharesMemory?: boolean;
  /** Convolutions join this many output pixels of a row wherever they can; default: as the cost query says. */
  readonly widen?: number;
  /** The form of Winograd's minimal filtering that convolutions are computed by, as far as they can be; default: none. */
  readonly winograd?: WinogradForm;
  /** Convolutions keep images in the lanes wherever they can; default: as the cost query says. */
  readonly hwcn?: boolean;
  /** Constants become variables: weights are packed by the prepare list into derived slots. Default false. */
  readonly variables?: boolean;
  /** Runs of the same program; all must give the same bits. Default 1. */
  readonly runs?: number;
}

/** The values of `outputs`, in logical order. @throws what the compiler or native code throws */
export function runGraph(outputs: readonly Tensor[], variation: Variation): TypedArray[] {
  const graph = { feeds: [], outputs: variation.variables ? asVariables(outputs) : outputs, updates: [] };
  const program = compileGraph(graph, queriesFor(variation), {
    fuse: variation.fuse ?? true,
    sharesMemory: variation.sharesMemory ?? true,
    algorithm: variation.winograd ? 'fast' : 'exact',
    validate: true,
  });
  const native = binding();
  const state = new State();
  try {
    const made = new native.Program(state.renumber(program));
    state.sync();
    const session = new native.Session(state.native, variation.threads);
    try {
      const first = session.runSync(made, [], 1);
      for (let run = 1; run < (variation.runs ?? 1); run++) {
        const again = session.runSync(made, [], 1);
        first.forEach((values, i) => {
          if (!sameBits(values, again[i]!)) throw new Error(`output ${i} differs between runs of one program`);
        });
      }
      return first;
    } finally {
      session.close();
    }
  } catch (error) {
    throw fromNative(error);
  }
}

export function sameBits(a: TypedArray, b: TypedArray): boolean {
  return Buffer.compare(bytes(a), bytes(b)) === 0;
}

function bytes(a: TypedArray): Buffer {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength);
}

/** The native queries with estimates that may prefer one form of Winograd's algorithm, one width of joined pixels or images in the lanes. */
function queriesFor({ widen, winograd, hwcn }: Variation): NativeQueries {
  const queries = nativeQueries();
  const seconds = (candidate: Candidate): number => {
    if (winograd) return candidate.algorithm === ALGORITHM[winograd] ? 0 : 1;
    if (hwcn) return candidate.algorithm === ALGORITHM.hwcn ? 0 : 1;
    if (widen !== undefined) return candidate.widen === widen ? 0 : 1;
    return candidate.seconds;
  };
  return {
    ...queries,
    candidates: (convolution, pack) =>
      queries.candidates(convolution, pack).map((candidate) => ({ ...candidate, seconds: seconds(candidate) })),
  };
}

/** The same graph with every float32 constant of at least one axis held by a variable. */
function asVariables(outputs: readonly Tensor[]): readonly Tensor[] {
  const variables = new Map<Tensor, Tensor>();
  for (const node of topologicalOrder(outputs)) {
    const leaf = node.leaf;
    if (leaf?.kind !== 'constant' || node.dtype !== 'float32' || node.rank === 0) continue;
    variables.set(node, variableTensor(new VariableStorage(node.shape, () => Float32Array.from(leaf.data)), ''));
  }
  return rewrite({ feeds: [], outputs, updates: [] }, (node) => variables.get(node) ?? node).outputs;
}
