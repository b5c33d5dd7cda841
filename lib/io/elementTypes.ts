/** The element types of safetensors files, and how each becomes one of the three that tensors have. */

import type { DType, Shape, TypedArray } from '../graph/types';

/** Values with their shape and type, in row-major logical order. */
export interface RawTensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: TypedArray;
}

export interface StoredType {
  /** Bytes of one stored element; a fraction where several share a byte. */
  readonly bytes: number;
  /** What the elements become; absent for those that become nothing here. */
  readonly dtype?: DType;
  /**
   * Converts the little-endian elements of `source` into `target` from element `at` on; absent where the bytes are the values.
   * Returns the text of the first value that does not fit.
   */
  readonly convert?: (source: Uint8Array, target: TypedArray, at: number) => string | undefined;
}

/** A type whose elements become something. */
export type ReadableType = StoredType & { readonly dtype: DType };

/** Every type of the format, by its name there. */
export const STORED_TYPES: Readonly<Record<string, StoredType>> = {
  F32: { bytes: 4, dtype: 'float32' },
  I32: { bytes: 4, dtype: 'int32' },
  U8: { bytes: 1, dtype: 'uint8' },
  BOOL: { bytes: 1, dtype: 'uint8' },
  F64: { bytes: 8, dtype: 'float32', convert: each(8, (view, p) => view.getFloat64(p, true)) },
  F16: { bytes: 2, dtype: 'float32', convert: each(2, (view, p) => float16(view.getUint16(p, true))) },
  BF16: { bytes: 2, dtype: 'float32', convert: fromBfloat16 },
  F8_E4M3: { bytes: 1, dtype: 'float32', convert: fromTable(table(4, 7, (bits) => (bits & 0x7f) === 0x7f)) },
  F8_E5M2: { bytes: 1, dtype: 'float32', convert: fromTable(Float32Array.from({ length: 256 }, (_, bits) => float16(bits << 8))) },
  F8_E4M3FNUZ: { bytes: 1, dtype: 'float32', convert: fromTable(table(4, 8, (bits) => bits === 0x80)) },
  F8_E5M2FNUZ: { bytes: 1, dtype: 'float32', convert: fromTable(table(5, 16, (bits) => bits === 0x80)) },
  F8_E8M0: { bytes: 1, dtype: 'float32', convert: fromTable(powers()) },
  I8: { bytes: 1, dtype: 'int32', convert: each(1, (view, p) => view.getInt8(p)) },
  I16: { bytes: 2, dtype: 'int32', convert: each(2, (view, p) => view.getInt16(p, true)) },
  U16: { bytes: 2, dtype: 'int32', convert: each(2, (view, p) => view.getUint16(p, true)) },
  U32: { bytes: 4, dtype: 'int32', convert: eachWithin(4, (view, p) => BigInt(view.getUint32(p, true))) },
  I64: { bytes: 8, dtype: 'int32', convert: eachWithin(8, (view, p) => view.getBigInt64(p, true)) },
  U64: { bytes: 8, dtype: 'int32', convert: eachWithin(8, (view, p) => view.getBigUint64(p, true)) },
  C64: { bytes: 8 },
  F4: { bytes: 1 / 2 },
  F6_E2M3: { bytes: 3 / 4 },
  F6_E3M2: { bytes: 3 / 4 },
};

type Convert = NonNullable<StoredType['convert']>;

function each(bytes: number, read: (view: DataView, at: number) => number): Convert {
  return (source, target, at) => {
    const view = viewOf(source);
    for (let p = 0, i = at; p < source.length; p += bytes, i++) target[i] = read(view, p);
    return undefined;
  };
}

/** Integers that must fit int32. */
function eachWithin(bytes: number, read: (view: DataView, at: number) => bigint): Convert {
  return (source, target, at) => {
    const view = viewOf(source);
    for (let p = 0, i = at; p < source.length; p += bytes, i++) {
      const value = read(view, p);
      if (value !== BigInt.asIntN(32, value)) return String(value);
      target[i] = Number(value);
    }
    return undefined;
  };
}

/** Bytes by the values that they stand for. */
function fromTable(values: Float32Array): Convert {
  return (source, target, at) => {
    for (let p = 0; p < source.length; p++) target[at + p] = values[source[p]!]!;
    return undefined;
  };
}

/** bfloat16 is the upper half of a float32. */
function fromBfloat16(source: Uint8Array, target: TypedArray, at: number): undefined {
  const view = viewOf(source);
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let p = 0, i = at; p < source.length; p += 2, i++) bits[i] = view.getUint16(p, true) << 16;
}

/** IEEE 754 binary16: sign 1, exponent 5 (bias 15), fraction 10. Every value is exact in float32. */
export function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The values of an eight-bit float that has no infinities: sign, exponent, fraction. */
function table(exponentBits: number, bias: number, isNaN: (bits: number) => boolean): Float32Array {
  const fractionBits = 7 - exponentBits;
  return Float32Array.from({ length: 256 }, (_, bits) => {
    if (isNaN(bits)) return NaN;
    const sign = bits & 0x80 ? -1 : 1;
    const exponent = (bits & 0x7f) >> fractionBits;
    const fraction = (bits & ((1 << fractionBits) - 1)) / 2 ** fractionBits;
    return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
  });
}

/** F8_E8M0: powers of two alone, as the scales of blocks. */
function powers(): Float32Array {
  return Float32Array.from({ length: 256 }, (_, bits) => (bits === 0xff ? NaN : 2 ** (bits - 127)));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
