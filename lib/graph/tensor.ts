/**
 * Tensor: a node of an immutable graph. It knows what it is computed from, its shape and its element type; it holds no memory
 * of its own. Values are computed by an evaluator that lib/runtime registers, so the graph layer needs no native code.
 */

import { StridenetError } from '../errors';
import type { StoredValue, VariableStorage } from './storage';
import { elementCount, type Attrs, type DType, type NestedArray, type Shape, type TypedArray } from './types';

/** What stands behind a node without inputs. */
export type Leaf =
  /** `data` is in logical order; with `stored` it is read on first use. */
  | { readonly kind: 'constant'; readonly data: TypedArray; readonly stored?: StoredValue }
  | { readonly kind: 'variable'; readonly storage: VariableStorage }
  | { readonly kind: 'input'; readonly input: InputSpec };

/** A placeholder that is fed at every run. */
export interface InputSpec {
  readonly name: string;
  /** Element type and order in which the caller hands the data over; the node's own dtype is what the graph sees. */
  readonly feedDType: DType;
  readonly layout: 'nchw' | 'nhwc';
  /** y = raw * scale[c] + shift[c], one number per channel (or one for all); absent: no change. */
  readonly scale?: readonly number[];
  readonly shift?: readonly number[];
}

export interface Evaluator {
  evaluate(tensors: readonly Tensor[]): Promise<TypedArray[]>;
  evaluateSync(tensors: readonly Tensor[]): TypedArray[];
}

let evaluator: Evaluator | undefined;
export function registerEvaluator(implementation: Evaluator): void {
  evaluator = implementation;
}
function theEvaluator(): Evaluator {
  if (!evaluator) throw new StridenetError('ERR_NATIVE_UNAVAILABLE', 'No runtime is loaded: import the package, not a part of it.');
  return evaluator;
}

let nextId = 1;

export class Tensor {
  readonly id = nextId++;
  /** What the value is computed from. */
  inputs: readonly Tensor[];
  /** The computed value, remembered after the first evaluation, in logical order. */
  private known: TypedArray | undefined;

  /** Made by `build` and the leaf functions only; user code calls `tensor`, `zeros`, `ops.*`. */
  constructor(
    readonly op: string,
    inputs: readonly Tensor[],
    readonly attrs: Attrs,
    readonly shape: Shape,
    readonly dtype: DType,
    readonly name: string,
    readonly leaf?: Leaf,
  ) {
    this.inputs = inputs;
  }

  get rank(): number {
    return this.shape.length;
  }
  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }
  /** The value if it is known without computing: a constant, or a result remembered from an earlier evaluation. */
  get value(): TypedArray | undefined {
    return this.leaf?.kind === 'constant' ? this.leaf.data : this.known;
  }
  /** Called by the evaluator. A detached value gives up what it was computed from. */
  remember(value: TypedArray): void {
    this.known = value;
    if (this.op === 'detach') this.inputs = [];
  }

  /** The value in row-major logical order; a fresh copy. */
  async data(): Promise<TypedArray> {
    return (this.value ?? (await theEvaluator().evaluate([this]))[0]!).slice();
  }
  dataSync(): TypedArray {
    return (this.value ?? theEvaluator().evaluateSync([this])[0]!).slice();
  }
  /** The value as nested arrays; a number for shape []. */
  async array(): Promise<NestedArray> {
    return nest(this.value ?? (await theEvaluator().evaluate([this]))[0]!, this.shape);
  }
  arraySync(): NestedArray {
    return nest(this.value ?? theEvaluator().evaluateSync([this])[0]!, this.shape);
  }
  /** The only element. @throws StridenetError ERR_SHAPE_MISMATCH when there are several */
  async item(): Promise<number> {
    this.checkSingle();
    return (await this.data())[0]!;
  }
  itemSync(): number {
    this.checkSingle();
    return this.dataSync()[0]!;
  }
  private checkSingle(): void {
    if (this.size !== 1) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `item() expects a tensor of one element but this one has shape [${this.shape.join(', ')}]. Use array() or data().`,
      );
    }
  }
}

function nest(data: TypedArray, shape: Shape): NestedArray {
  let offset = 0;
  const walk = (axis: number): NestedArray =>
    axis === shape.length ? data[offset++]! : Array.from({ length: shape[axis]! }, () => walk(axis + 1));
  return walk(0);
}
