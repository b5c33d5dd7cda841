/**
 * The current value of a variable: a parameter or a running statistic. The value is made on first use by an initializer
 * (so a model can be described without memory), lies here afterwards, or lies with a holder (a runtime State that trains it).
 */

import { formatShape, StridenetError } from '../errors';

/** Something that holds the newest value of a variable and can hand out a copy in logical order. */
export interface StorageHolder {
  read(storage: VariableStorage): Float32Array;
}

export class VariableStorage {
  /** Grows whenever the value changes; whoever mirrors the value compares it. */
  version = 0;
  /** Whole numbers by nature (a count): files hold them as int64, as PyTorch does. */
  isInteger = false;
  private data: Float32Array | undefined;
  private holder: StorageHolder | undefined;

  /** @param shape logical shape, such as [O, I, kH, kW]; @param initializer makes the first value, in logical order */
  constructor(
    readonly shape: readonly number[],
    private initializer: () => Float32Array,
  ) {}

  get count(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  /** The value in logical row-major order, not to be written to: it may be the live value, and constants may share it. */
  value(): Float32Array {
    if (this.holder) return this.holder.read(this);
    return (this.data ??= this.initializer());
  }

  /** Replaces the value. @throws StridenetError ERR_SHAPE_MISMATCH when the length differs */
  set(data: Float32Array): void {
    if (data.length !== this.count) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `A variable of shape ${formatShape(this.shape)} holds ${this.count} numbers but was given ${data.length}.`,
      );
    }
    this.holder = undefined;
    this.data = data;
    this.version++;
  }

  /** Replaces the value by what `initializer` makes on first use. */
  initialize(initializer: () => Float32Array): void {
    this.holder = undefined;
    this.data = undefined;
    this.initializer = initializer;
    this.version++;
  }

  /** `holder` has a newer value than this object from now on. */
  heldBy(holder: StorageHolder): void {
    this.holder = holder;
    this.data = undefined;
    this.version++;
  }

  /** The holder goes away: the value is copied back first. */
  release(holder: StorageHolder): void {
    if (this.holder !== holder) return;
    this.data = holder.read(this);
    this.holder = undefined;
  }

  isHeldBy(holder: StorageHolder): boolean {
    return this.holder === holder;
  }
}
