/**
 * The current value of a variable: a parameter or a running statistic. At first it is a rule, which native code follows as well (so a model
 * can be described without memory), or is made on first use; then it lies here, or it stays in a file, or lies with a holder (a runtime
 * State that trains it).
 */

import { formatShape, StridenetError } from '../errors';
import { fillByRule, type FillRule } from '../random';
import type { Work } from '../work';
import { elementCount, newArray, type TypedArray } from './types';

/** Something that holds the newest value of a variable and can hand out a copy in logical order, at once or in pieces. */
export interface StorageHolder {
  read(storage: VariableStorage): Float32Array;
  reading(storage: VariableStorage): Work<Float32Array>;
  /** Whether runs that may change values are under way. */
  readonly isBusy: boolean;
  /** Copies of several values, all of one moment between two runs. */
  readAll(storages: readonly VariableStorage[]): Float32Array[];
}

/** Where native code finds float32 numbers, little endian, in logical order. */
export interface FileSpan {
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
export interface StoredValue<T extends TypedArray = Float32Array> {
  readonly shape: readonly number[];
  /** A fresh copy in logical row-major order. @throws StridenetError when it can no longer be read */
  read(): T;
  /** Absent when reading converts. */
  readonly span?: FileSpan;
}

/** How many numbers are read (4 MiB of them) and how many are made when a value is only to be shown. */
export const CHEAP_TO_READ = 2 ** 20;
const CHEAP_TO_MAKE = 1000;

/**
 * What a variable's value is made of. A content is replaced and never changed, so that whoever keeps one keeps the
 * value that it stood for.
 */
export type Content =
  | { readonly kind: 'rule'; readonly rule: FillRule }
  | { readonly kind: 'made'; readonly make: () => Float32Array; readonly isComputed: boolean }
  | { readonly kind: 'data'; readonly data: Float32Array }
  | { readonly kind: 'stored'; readonly stored: StoredValue }
  | { readonly kind: 'held'; readonly holder: StorageHolder };

export class VariableStorage {
  /** Grows whenever the value changes; whoever mirrors the value compares it. */
  version = 0;
  /** Whole numbers by nature (a count): files hold them as int64, as PyTorch does. */
  isInteger = false;
  private current: Content;
  /** What `snapshot` gave, as long as somebody holds it. */
  private seen: { readonly version: number; readonly array: WeakRef<Float32Array> } | undefined;

  /**
   * @param shape logical shape, such as [O, I, kH, kW]
   * @param initial the first value, in logical order, or what makes it
   * @param isComputed whether that runs programs
   */
  constructor(
    readonly shape: readonly number[],
    initial: Content | FillRule | (() => Float32Array),
    isComputed = false,
  ) {
    this.current = contentOf(initial, isComputed);
  }

  get count(): number {
    return elementCount(this.shape);
  }

  /** What the value is made of at present. */
  get content(): Content {
    return this.current;
  }

  /** The value in logical row-major order, not to be written to: it may be the live value, and constants may share it. */
  value(): Float32Array {
    const { current } = this;
    switch (current.kind) {
      case 'held':
        return current.holder.read(this);
      case 'stored':
        return current.stored.read();
      case 'data':
        return current.data;
      default: {
        const data = current.kind === 'rule' ? fillByRule(current.rule, newArray('A variable', this.shape, 'float32')) : current.make();
        this.current = { kind: 'data', data };
        return data;
      }
    }
  }

  /** The value of a content that this storage has or had, piece by piece where a holder hands it out. */
  *valueOf(content: Content): Work<Float32Array> {
    if (content.kind === 'held') return yield* content.holder.reading(this);
    if (content === this.current) return this.value();
    return new VariableStorage(this.shape, content).value();
  }

  /** The value if that takes no time to speak of: it is there, or few numbers have to be read or made. */
  glance(): Float32Array | undefined {
    const { current } = this;
    if (current.kind === 'data') return current.data;
    const exists = current.kind === 'held' || current.kind === 'stored';
    if (current.kind === 'made' && current.isComputed) return undefined;
    return this.count <= (exists ? CHEAP_TO_READ : CHEAP_TO_MAKE) ? this.value() : undefined;
  }

  /**
   * The value as it is now, in an array that this object never writes to and never reads again: the same array until the value changes, then
   * another. It is read from the file or the holder once, and kept only as long as somebody holds it.
   */
  snapshot(): Float32Array {
    const known = this.seen?.version === this.version ? this.seen.array.deref() : undefined;
    if (known) return known;
    const value = this.value();
    const array = this.current.kind === 'data' ? value.slice() : value;
    this.seen = { version: this.version, array: new WeakRef(array) };
    return array;
  }

  /** The place of the value in a file, if it lies there as it is. */
  get span(): FileSpan | undefined {
    return this.current.kind === 'stored' ? this.current.stored.span : undefined;
  }

  /** Replaces the value. @throws StridenetError ERR_SHAPE_MISMATCH when the length differs */
  set(data: Float32Array): void {
    this.checkCount(data.length);
    this.replace({ kind: 'data', data });
  }

  /** Replaces the value by one that is read whenever it is asked for. @throws StridenetError ERR_SHAPE_MISMATCH when the length differs */
  store(stored: StoredValue): void {
    this.checkCount(elementCount(stored.shape));
    this.replace({ kind: 'stored', stored });
  }

  /** Replaces the value by that of a rule, by what `initial` makes on first use, or by a content that this object had before. */
  initialize(initial: FillRule | (() => Float32Array) | Content): void {
    this.replace(contentOf(initial));
  }

  /** `holder` has a newer value than this object from now on. */
  heldBy(holder: StorageHolder): void {
    this.replace({ kind: 'held', holder });
  }

  /** The holder goes away: the value is copied back first, unless it comes along. */
  release(holder: StorageHolder, data?: Float32Array): void {
    if (this.isHeldBy(holder)) this.current = { kind: 'data', data: data ?? holder.read(this) };
  }

  isHeldBy(holder: StorageHolder): boolean {
    return this.current.kind === 'held' && this.current.holder === holder;
  }

  private replace(content: Content): void {
    this.current = content;
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

/** The values of those of `storages` that lie with a holder, all of one holder's at one moment: it may be taking steps meanwhile. */
export function readHeld(storages: Iterable<VariableStorage>): Map<VariableStorage, Float32Array> {
  const byHolder = new Map<StorageHolder, VariableStorage[]>();
  for (const storage of storages) {
    const { content } = storage;
    if (content.kind === 'held') byHolder.set(content.holder, [...(byHolder.get(content.holder) ?? []), storage]);
  }
  const pairs = [...byHolder].flatMap(([holder, held]) => {
    const values = holder.readAll(held);
    return held.map((storage, i): [VariableStorage, Float32Array] => [storage, values[i]!]);
  });
  return new Map(pairs);
}

function contentOf(initial: Content | FillRule | (() => Float32Array), isComputed = false): Content {
  if (typeof initial === 'function') return { kind: 'made', make: initial, isComputed };
  return 'stream' in initial ? { kind: 'rule', rule: initial } : initial;
}
