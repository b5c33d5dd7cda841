/** Compiles and runs tensors on native code with everything that may vary under control: threads, fusion, memory plan, algorithm. */

import { compileGraph } from '../../lib/compile/compile';
import type { Candidate, Instruction, NativeQueries, Program } from '../../lib/compile/ir';
import { ALGORITHM } from '../../lib/compile/opcodes';
import type { Tensor } from '../../lib/graph/tensor';
import { VariableStorage } from '../../lib/graph/storage';
import { topologicalOrder } from '../../lib/graph/traverse';
import { variableTensor } from '../../lib/graph/leaves';
import type { TypedArray } from '../../lib/graph/types';
import { rewrite } from '../../lib/graph/graph';
import { binding, fromNative } from '../../lib/runtime/binding';
import { nativeQueries } from '../../lib/runtime/queries';
import { State } from '../../lib/runtime/state';

/** A way to compute convolutions and their gradients. */
export interface ConvForm {
  readonly algorithm: keyof typeof ALGORITHM;
  /** Output pixels of a row that are joined; default: as many as are estimated to be fastest. */
  readonly widen?: number;
}

/** A form that fits a convolution, as native code says. */
export interface FittingForm extends Required<ConvForm> {
  /** Whether it rounds like plain sums of products. */
  readonly sumsProducts: boolean;
}

export interface Variation {
  readonly name: string;
  readonly threads: number;
  /** Default true: nodes are fused into epilogues. */
  readonly fuse?: boolean;
  /** Default true: buffers share memory. */
  readonly sharesMemory?: boolean;
  /** Convolutions take this form wherever it fits; default: what is estimated to be fastest without Winograd's algorithm. */
  readonly form?: ConvForm;
  /** Constants become variables: weights are packed by the prepare list into derived slots. Default false. */
  readonly variables?: boolean;
  /** Runs of the same program; all must give the same bits. Default 1. */
  readonly runs?: number;
}

/**
 * The values of `outputs`, in logical order.
 * @throws what the compiler or native code throws, and when a convolution that the wanted form fits is in another one
 */
export function runGraph(outputs: readonly Tensor[], variation: Variation): TypedArray[] {
  const program = compileVariation(outputs, variation);
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

/** The forms that fit the convolutions of a graph, each once. */
export function fittingForms(outputs: readonly Tensor[]): FittingForm[] {
  const forms = new Map<string, FittingForm>();
  const queries: NativeQueries = {
    ...nativeQueries(),
    candidates(convolution, pack) {
      const candidates = nativeQueries().candidates(convolution, pack);
      for (const { algorithm, widen, sumsProducts } of candidates) {
        forms.set(`${algorithm} ${widen}`, { algorithm: nameOf(algorithm), widen, sumsProducts });
      }
      return candidates;
    },
  };
  compileGraph({ feeds: [], outputs, updates: [] }, queries);
  return [...forms.values()];
}

function nameOf(algorithm: number): ConvForm['algorithm'] {
  return (Object.keys(ALGORITHM) as ConvForm['algorithm'][]).find((name) => ALGORITHM[name] === algorithm)!;
}

/** Packing costs nothing, so that variables take the same algorithms as constants: variations agree to the bit. */
function withoutPacking(): NativeQueries {
  const free = (found: Candidate): Candidate => ({ ...found, packSeconds: 0, packedLength: 0 });
  return {
    ...nativeQueries(),
    candidates: (...asked) =>
      nativeQueries()
        .candidates(...asked)
        .map(free),
  };
}

function compileVariation(outputs: readonly Tensor[], { form, variables, fuse = true, sharesMemory = true }: Variation): Program {
  const graph = { feeds: [], outputs: variables ? asVariables(outputs) : outputs, updates: [] };
  if (!form) return compileGraph(graph, withoutPacking(), { fuse, sharesMemory, algorithm: 'exact', validate: true });
  let fitting = 0;
  const queries: NativeQueries = {
    ...nativeQueries(),
    candidates(convolution, pack) {
      const candidates = nativeQueries().candidates(convolution, pack);
      if (candidates.some((candidate) => isOfForm(candidate, form))) fitting++;
      // The wanted form is offered even where a rule of thumb knows better, and costs nothing. What it does not fit takes the first that
      // sums products.
      const priced = (candidate: Candidate, seconds: number): Candidate => ({ ...candidate, seconds, packSeconds: 0, packedLength: 0 });
      return candidates.flatMap((candidate) => {
        if (isOfForm(candidate, form)) return { ...priced(candidate, 0), isOffered: true };
        return candidate.sumsProducts ? priced(candidate, 1) : [];
      });
    },
  };
  const program = compileGraph(graph, queries, { fuse, sharesMemory, algorithm: 'fast', validate: true });
  const taken = [...program.lists.prepare, ...program.lists.step].filter((instruction) => tookForm(instruction, form)).length;
  if (taken !== fitting) throw new Error(`${formName(form)} fits ${fitting} convolutions, but ${taken} took it`);
  return program;
}

/** For messages. */
export function formName({ algorithm, widen = 1 }: ConvForm): string {
  return widen === 1 ? algorithm : `${algorithm}, ${widen} pixels joined`;
}

function isOfForm({ algorithm, widen }: Pick<Candidate, 'algorithm' | 'widen'>, form: ConvForm): boolean {
  return algorithm === ALGORITHM[form.algorithm] && (form.widen === undefined || widen === form.widen);
}

/** Whether an instruction is a convolution or a gradient of one in this form, perhaps joined with what stands beside it. */
function tookForm({ opcode, attrs }: Instruction, form: ConvForm): boolean {
  const { algorithm, widen = 1 } = attrs;
  switch (opcode) {
    case 'conv2d':
    case 'conv2d_grad_input':
    case 'conv2d_grad_weight':
      return isOfForm({ algorithm: algorithm!, widen }, form);
    case 'conv2d_max_pool2d':
    case 'conv2d_max_pool2d_grad_weight':
      return form.algorithm === 'hwcn';
    case 'conv2d_pointwise_depthwise':
      return form.algorithm === 'depthwise';
    default:
      return false;
  }
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
