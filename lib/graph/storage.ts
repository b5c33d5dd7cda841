/**
 * The current value of a variable: a parameter or a running statistic. The value is made on first use by an initializer
 * (so a model can be described without memory) and lies here afterwards, or it stays in a file, or lies with a holder (a runtime State
 * that trains it).
 */

import { formatShape, StridenetError } from '../errors';
import { elementCount } from './types';

/** Something that holds the newest value of a variable and can hand out a copy in logical order. */
export interface StorageHolder {
  read(storage: VariableStorage): Float32Array;
}

/** Where native code finds float32 numbers, little endian, in logical order. */
export interface FileRegion {
  readonly file: {
    /** Open as long as this object is referred to. */
    readonly descriptor: number;
    /** @throws StridenetError when the file is no longer what was loaded: to be asked before and after reading */
    check(): void;
  };
  /** The first byte. */
  readonly offset: number;
}

/** A value that stays outside of memory. */
export interface StoredValue {
  readonly shape: readonly number[];
  /** A fresh copy in logical row-major order. @throws StridenetError when it can no longer be read */
  read(): Float32Array;
  /** Absent when reading converts. */
  readonly region?: FileRegion;
}

/** Numbers that are read to be shown, 4 MiB of them, and that are drawn. */
export const CHEAP_TO_READ = 2 ** 20;
const CHEAP_TO_MAKE = 1000;

export class VariableStorage {
  /** Grows whenever the value changes; whoever mirrors the value compares it. */
  version = 0;
  /** Whole numbers by nature (a count): files hold them as int64, as PyTorch does. */
  isInteger = false;
  private data: Float32Array | undefined;
  private stored: StoredValue | undefined;
  private holder: StorageHolder | undefined;

  /**
   * @param shape logical shape, such as [O, I, kH, kW]
   * @param initializer makes the first value, in logical order
   * @param isComputed whether that runs programs
   */
  constructor(
    readonly shape: readonly number[],
    private initializer: () => Float32Array,
    private isComputed = false,
  ) {}

  get count(): number {
    return elementCount(this.shape);
  }

  /** The value in logical row-major order, not to be written to: it may be the live value, and constants may share it. */
  value(): Float32Array {
    if (this.holder) return this.holder.read(this);
    if (this.stored) return this.stored.read();
    return (this.data ??= this.initializer());
  }

  /** The value if that takes no time to speak of: it is there, or few numbers have to be read or made. */
  glance(): Float32Array | undefined {
    if (this.data) return this.data;
    const exists = this.holder !== undefined || this.stored !== undefined;
    if (!exists && this.isComputed) return undefined;
    return this.count <= (exists ? CHEAP_TO_READ : CHEAP_TO_MAKE) ? this.value() : undefined;
  }

  /** The place of the value in a file, if it lies there as it is. */
  get region(): FileRegion | undefined {
    return this.stored?.region;
  }

  /** Replaces the value. @throws StridenetError ERR_SHAPE_MISMATCH when the length differs */
  set(data: Float32Array): void {
    this.checkCount(data.length);
    this.replace({ data });
  }

  /** Replaces the value by one that is read whenever it is asked for. @throws StridenetError ERR_SHAPE_MISMATCH when the length differs */
  store(stored: StoredValue): void {
    this.checkCount(elementCount(stored.shape));
    this.replace({ stored });
  }

  /** Replaces the value by what `initializer` makes on first use. */
  initialize(initializer: () => Float32Array): void {
    this.initializer = initializer;
    this.isComputed = false;
    this.replace({});
  }

  /** `holder` has a newer value than this object from now on. */
  heldBy(holder: StorageHolder): void {
    this.replace({ holder });
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

  private replace({ data, stored, holder }: { data?: Float32Array; stored?: StoredValue; holder?: StorageHolder }): void {
    [this.data, this.stored, this.holder] = [data, stored, holder];
    this.version++;
  }

  private checkCount(given: number): void {
    if (given === this.count) return;
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `A variable of shape ${formatShape(this.shape)} holds ${this.count} numbers but was given ${given}.`,
    );
  }
}
