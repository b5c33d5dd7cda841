/**
 * Variables: the tensors whose values live beyond a run. A Parameter is trained; a plain Variable (PyTorch's buffer) is saved
 * with the model but not trained. Neither allocates memory until its value is asked for.
 */

import { checkShape } from '../graph/leaves';
import { VariableStorage } from '../graph/storage';
import { Tensor } from '../graph/tensor';
import { elementCount, type Shape } from '../graph/types';

/** Writes the first value of a variable, in logical order, over zeros. */
export type Initializer = (data: Float32Array, shape: Shape) => void;

export class Variable extends Tensor {
  /** The path from the root module, such as `layer1.0.conv1.weight`; set when a module is walked. */
  declare name: string;
  readonly storage: VariableStorage;

  /** @param value the first value; or a shape, for zeros */
  constructor(value: Tensor | Shape) {
    const shape = value instanceof Tensor ? value.shape : checkShape('Parameter', value);
    const storage = new VariableStorage(
      shape,
      value instanceof Tensor ? () => Float32Array.from(value.dataSync()) : () => new Float32Array(elementCount(shape)),
    );
    super('variable', [], {}, shape, 'float32', '', { kind: 'variable', storage });
    this.storage = storage;
  }

  /** The newest value: never remembered here, since it changes from run to run. */
  override get value(): Float32Array {
    return this.storage.value();
  }
  override remember(): void {
    // The storage remembers.
  }

  /** Replaces the value by one that `initializer` makes when it is first needed. */
  initialize(initializer: Initializer): void {
    this.storage.initialize(() => {
      const data = new Float32Array(this.size);
      initializer(data, this.shape);
      return data;
    });
  }
}

/**
 * A variable that training changes.
 * @example class Scale extends nn.Module { factor = new nn.Parameter(ones([1])); forward(x) { return ops.mul(x, this.factor); } }
 */
export class Parameter extends Variable {
  /** Whether training computes a gradient for it and updates it; `module.freeze()` clears it. */
  requiresGrad = true;
}
