/**
 * Tensor: a node of an immutable graph. It knows what it is computed from, its shape and its element type; it holds no memory
 * of its own. Values are computed by an evaluator that lib/runtime registers, so the graph layer needs no native code.
 */

import { COPY, THIS_COPY, StridenetError } from '../errors';
import { formatTensor } from './formatTensor';
import { className, INSPECT, PLAIN, styleOf, type InspectOptions, type Style } from './inspect';
import { CHEAP_TO_READ, type StoredValue, type VariableStorage } from './storage';
import {
  elementCount,
  type ArrayOf,
  type Attrs,
  type DType,
  type ElementType,
  type NestedArray,
  type Shape,
  type TypedArray,
} from './types';

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

/** What a node is made of. */
export interface NodeParts {
  /** The operation that computes the value, such as 'conv2d'; 'constant', 'variable' or 'input' for a leaf. */
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly attrs: Attrs;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly name: string;
  readonly leaf?: Leaf | undefined;
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

/**
 * A node of an immutable graph: values of one element type under a shape, given (`tensor`, `zeros`, `randn`) or computed (`ops.*`). Nothing
 * is computed until its value is asked for, and nothing has to be disposed.
 *
 * `Tensor<'float32'>` gives a Float32Array. A plain `Tensor` may hold any type, and may stand where a definite one is asked for.
 *
 * @example
 * const x = tensor([[1, 2], [3, 4]]);
 * const values = await ops.matmul(x, x).data(); // Float32Array [7, 10, 15, 22]
 */
// `any` and not DType: a forward(x: Tensor): Tensor must fit where layers say Tensor<'float32'>.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export class Tensor<D extends DType = any> {
  /** Private: what compares tensors by their fields, such as a test, sees what they are and not when they were made. */
  readonly #id = nextId++;
  /** The operation that computes the value, such as 'conv2d'; 'constant', 'variable' or 'input' for a leaf. */
  readonly op: string;
  /** What the value is computed from. */
  readonly inputs: readonly Tensor[];
  /** Extents of the axes in logical order, such as [N, C, H, W]. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: ElementType<D>;
  /** The layer or parameter that it belongs to, such as 'layer1.0.conv1'; '' for none. */
  readonly name: string;
  /** @internal */
  readonly attrs: Attrs;
  /** @internal */
  readonly leaf?: Leaf | undefined;
  /** The computed value, remembered after the first evaluation, in logical order. */
  private known: ArrayOf<D> | undefined;

  /** On every node, and on nothing that only looks like one: proxies, objects that inherit from the prototype. */
  readonly #isNode = true;

  /** @internal Whether `value` is a node that this package made. */
  static is(value: unknown): value is Tensor {
    return typeof value === 'object' && value !== null && #isNode in value;
  }

  /** @internal Code of one's own calls `tensor`, `zeros` or `ops.*`. */
  protected constructor({ op, inputs, attrs, shape, dtype, name, leaf }: NodeParts) {
    this.op = op;
    this.inputs = inputs;
    this.attrs = attrs;
    this.shape = shape;
    this.dtype = dtype as ElementType<D>;
    this.name = name;
    this.leaf = leaf;
  }

  /** @internal Called by `build`, the leaf functions and passes of the compiler, which have checked that the parts fit each other. */
  static make(parts: NodeParts): Tensor {
    return new Tensor(parts);
  }

  /** @internal */
  get id(): number {
    return this.#id;
  }
  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }
  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }
  /**
   * The value if it is known without computing: a constant, or a result remembered from an earlier evaluation. It is the array that the
   * tensor itself holds, so it must not be written to: what was computed from it, or will be, would not agree with it. `data()` gives a copy.
   */
  get value(): ArrayOf<D> | undefined {
    return this.leaf?.kind === 'constant' ? (this.leaf.data as ArrayOf<D>) : this.known;
  }
  /** @internal Called by the evaluator. A detached value gives up what it was computed from. */
  remember(value: TypedArray): void {
    this.known = value as ArrayOf<D>;
    if (this.op === 'detach') (this as { inputs: readonly Tensor[] }).inputs = [];
  }

  /** The value in row-major logical order, computed off the event loop; a fresh copy. */
  async data(): Promise<ArrayOf<D>> {
    return (this.value ?? (await theEvaluator().evaluate([this]))[0]!).slice() as ArrayOf<D>;
  }
  /** Like `data`, but waits. */
  dataSync(): ArrayOf<D> {
    return (this.value ?? theEvaluator().evaluateSync([this])[0]!).slice() as ArrayOf<D>;
  }
  /** The value as nested arrays; a number for shape []. */
  async array(): Promise<NestedArray> {
    return nest(this.value ?? (await theEvaluator().evaluate([this]))[0]!, this.shape);
  }
  /** Like `array`, but waits. */
  arraySync(): NestedArray {
    return nest(this.value ?? theEvaluator().evaluateSync([this])[0]!, this.shape);
  }
  /** The only element. @throws StridenetError ERR_SHAPE_MISMATCH when there are several */
  async item(): Promise<number> {
    this.checkSingle();
    return (await this.data())[0]!;
  }
  /** Like `item`, but waits. @throws StridenetError ERR_SHAPE_MISMATCH when there are several elements */
  itemSync(): number {
    this.checkSingle();
    return this.dataSync()[0]!;
  }
  /** @internal */
  get [COPY](): object {
    return THIS_COPY;
  }
  /** Shape, element type and, where they are known, the values; of more than 1,000 only those at the corners. Computes nothing. */
  toString(): string {
    return this.print(PLAIN);
  }
  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions): string {
    return this.print(styleOf(depth, options));
  }
  private print(style: Style): string {
    return formatTensor(className(this), this, () => this.glance(), this.details(), style);
  }
  /** @internal What is printed behind shape and element type. */
  protected details(): Readonly<Record<string, unknown>> {
    return { op: this.leaf ? undefined : this.op, name: this.name || undefined };
  }
  /** @internal The value where it can be had without computing, waiting or reading much; else why not. */
  protected glance(): TypedArray | string {
    const { leaf, known } = this;
    if (known) return known;
    if (leaf?.kind === 'input') return 'a placeholder';
    if (leaf?.kind !== 'constant') return 'not computed yet';
    return leaf.stored && this.size > CHEAP_TO_READ ? 'in a file' : leaf.data;
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
