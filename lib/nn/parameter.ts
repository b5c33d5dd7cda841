/**
 * Variables: the tensors whose values live beyond a run. A Parameter is trained; a plain Variable (PyTorch's buffer) is saved
 * with the model but not trained. Neither allocates memory until its value is asked for.
 */

import { StridenetError } from '../errors';
import { checkShape } from '../graph/leaves';
import { VariableStorage } from '../graph/storage';
import { Tensor } from '../graph/tensor';
import { newArray, type Shape, type TypedArray } from '../graph/types';
import { constantRule } from '../random';

/** Writes the first value of a variable, in logical order, over zeros. */
export type Initializer = (data: Float32Array, shape: Shape) => void;

/** How many variables may still be made. */
let allowance = Infinity;

/**
 * What `build` makes of at most `most` variables. For models that a file describes: one of some hundred bytes can ask for millions of layers, which no
 * file of its size has the values of.
 * @throws StridenetError ERR_BAD_FILE when `build` wants more; as `build`
 */
export function withVariableLimit<T>(most: number, build: () => T): T {
  const before = allowance;
  allowance = most;
  try {
    return build();
  } catch (error) {
    if (allowance >= 0) throw error;
    throw new StridenetError('ERR_BAD_FILE', `it asks for more than ${most} parameters, far more than it has values for.`, {
      cause: error,
    });
  } finally {
    allowance = before;
  }
}

function takeAllowance(): void {
  if (--allowance < 0) throw new RangeError('too many variables');
}

/**
 * A float32 tensor whose value lives beyond a run and is saved with its model, but is not trained: PyTorch's buffer.
 * @example
 * class Whiten extends nn.Module {
 *   readonly shift = new nn.Variable([3, 1, 1]);
 *   forward(x: Tensor): Tensor { return ops.sub(x, this.shift); }
 * }
 */
export class Variable extends Tensor<'float32'> {
  /** The path from the root module, such as `layer1.0.conv1.weight`; set when a module is walked. */
  declare name: string;
  /** @internal */
  readonly storage: VariableStorage;

  /**
   * A variable with a first value.
   * @param value the value, which is copied; or a shape, for zeros
   * @throws StridenetError ERR_INVALID_ARGUMENT for something else
   */
  constructor(value: Tensor | Shape) {
    takeAllowance();
    const shape = Tensor.is(value) ? value.shape : checkShape('Parameter', value);
    const storage = new VariableStorage(
      shape,
      Tensor.is(value) ? () => Float32Array.from(value.dataSync()) : constantRule(0),
      Tensor.is(value) && value.leaf?.kind !== 'constant',
    );
    super({ op: 'variable', inputs: [], attrs: {}, shape, dtype: 'float32', name: '', leaf: { kind: 'variable', storage } });
    this.storage = storage;
  }

  /**
   * The value as it is now, in logical order: a snapshot, whether it lies in memory, in a file or with a trainer. The next step or
   * `loadStateDict` changes the variable and not the array; asked for again before that, it is the same array. Numbers written into it
   * reach nobody: a variable gets another value by `loadStateDict` or `initialize`.
   */
  override get value(): Float32Array {
    return this.storage.snapshot();
  }
  /** @internal */
  override remember(): void {
    // The storage remembers.
  }
  /** @internal */
  protected override details(): Readonly<Record<string, unknown>> {
    return { name: this.name || undefined };
  }
  /** @internal */
  protected override glance(): TypedArray | string {
    return this.storage.glance() ?? 'value not read: data() gives it';
  }

  /** Replaces the value by one that `initializer` makes when it is first needed: it writes over zeros, in logical order. */
  initialize(initializer: Initializer): void {
    this.storage.initialize(() => {
      const data = newArray(this.name || 'Parameter', this.shape, 'float32');
      initializer(data, this.shape);
      return data;
    });
  }
}

/**
 * A variable that training changes.
 * @example
 * class Scale extends nn.Module {
 *   readonly factor = new nn.Parameter(ones([1]));
 *   forward(x: Tensor): Tensor { return ops.mul(x, this.factor); }
 * }
 */
export class Parameter extends Variable {
  /** Whether training computes a gradient for it and updates it; `module.freeze()` clears it. */
  requiresGrad = true;

  /** @internal */
  protected override details(): Readonly<Record<string, unknown>> {
    return { ...super.details(), requiresGrad: this.requiresGrad };
  }
}
