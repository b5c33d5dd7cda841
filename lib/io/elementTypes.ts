/** The element types of safetensors files that can be read, and how each becomes one of the three that tensors have. */

import type { DType, TypedArray } from '../graph/types';

export interface StoredType {
  /** Bytes of one stored element. */
  readonly bytes: number;
  /** What the elements become. */
  readonly dtype: DType;
  /**
   * Converts the little-endian elements of `source` into `target` from element `at` on; absent where the bytes are the values.
   * Returns the text of the first value that does not fit.
   */
  readonly convert?: (source: Uint8Array, target: TypedArray, at: number) => string | undefined;
}

export const STORED_TYPES: Readonly<Record<string, StoredType>> = {
  F32: { bytes: 4, dtype: 'float32' },
  I32: { bytes: 4, dtype: 'int32' },
  U8: { bytes: 1, dtype: 'uint8' },
  F64: { bytes: 8, dtype: 'float32', convert: fromFloat64 },
  F16: { bytes: 2, dtype: 'float32', convert: fromFloat16 },
  BF16: { bytes: 2, dtype: 'float32', convert: fromBfloat16 },
  I64: { bytes: 8, dtype: 'int32', convert: fromInt64 },
};

function fromFloat64(source: Uint8Array, target: TypedArray, at: number): undefined {
  const view = viewOf(source);
  for (let p = 0, i = at; p < source.length; p += 8, i++) target[i] = view.getFloat64(p, true);
}

function fromFloat16(source: Uint8Array, target: TypedArray, at: number): undefined {
  const view = viewOf(source);
  for (let p = 0, i = at; p < source.length; p += 2, i++) target[i] = float16(view.getUint16(p, true));
}

/** bfloat16 is the upper half of a float32. */
function fromBfloat16(source: Uint8Array, target: TypedArray, at: number): undefined {
  const view = viewOf(source);
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let p = 0, i = at; p < source.length; p += 2, i++) bits[i] = view.getUint16(p, true) << 16;
}

function fromInt64(source: Uint8Array, target: TypedArray, at: number): string | undefined {
  const view = viewOf(source);
  for (let p = 0, i = at; p < source.length; p += 8, i++) {
    const value = view.getBigInt64(p, true);
    if (value !== BigInt.asIntN(32, value)) return String(value);
    target[i] = Number(value);
  }
  return undefined;
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

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
