/** Nodes without inputs: constants, variables and placeholders. */

import { checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import { Philox } from '../random';
import type { StoredValue, VariableStorage } from './storage';
import { Tensor, type InputSpec } from './tensor';
import { elementCount, type DType, type DTypeOf, type NestedArray, type Shape, type TypedArray } from './types';

const MAX_RANK = 6;

/** Checks a shape given by a user: integers of at least 1, at most six of them. */
export function checkShape(where: string, shape: unknown): Shape {
  if (!Array.isArray(shape) || shape.length > MAX_RANK || shape.some((d) => !Number.isSafeInteger(d) || (d as number) < 1)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a shape of at most ${MAX_RANK} integers of at least 1 but got ${formatValue(shape)}.`,
    );
  }
  if (elementCount(shape as number[]) > 2 ** 38) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where}: a tensor of shape ${formatShape(shape as number[])} is too large.`);
  }
  return Object.freeze([...(shape as number[])]);
}

export interface TensorOptions<D extends DType = DType> {
  /** Element type; default: that of a typed array, 'float32' for numbers. */
  dtype?: D;
}

/**
 * A constant tensor from nested arrays, a number, or a typed array with its shape. The values are copied.
 *
 * @param values numbers, nested evenly, or a Float32Array (float32), Int32Array (int32) or Uint8Array (uint8)
 * @param shape the shape in logical order; default: that of the nesting, or [length] for a typed array
 * @throws StridenetError ERR_SHAPE_MISMATCH for ragged nesting or a length that does not fit the shape
 * @example tensor([[1, 2], [3, 4]]).shape // [2, 2]
 */
export function tensor<V extends NestedArray | TypedArray, D extends DType = DTypeOf<V>>(
  values: V,
  shape?: Shape,
  options: TensorOptions<D> = {},
): Tensor<D> {
  checkOptions('tensor', options, ['dtype']);
  const typed = typedArrayDType(values);
  let data: TypedArray;
  let inferred: Shape;
  if (typed) {
    data = convert(values as TypedArray, options.dtype ?? typed);
    inferred = [data.length];
  } else {
    const flat: number[] = [];
    inferred = flatten(values as NestedArray, flat);
    data = convert(flat, options.dtype ?? 'float32');
  }
  const finalShape = checkShape('tensor', shape ?? inferred);
  if (elementCount(finalShape) !== data.length) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `tensor of shape ${formatShape(finalShape)} expects ${elementCount(finalShape)} values but got ${data.length}.`,
    );
  }
  return constantTensor(data, finalShape, options.dtype ?? typed ?? 'float32');
}

/** A constant that takes `data` over without a copy. */
export function constantTensor(data: TypedArray, shape: Shape, dtype: DType): Tensor {
  return Tensor.make('constant', [], {}, shape, dtype, '', { kind: 'constant', data });
}

/** A float32 constant that is read when its value is first asked for, and then kept. */
export function storedTensor(stored: StoredValue): Tensor<'float32'> {
  let read: Float32Array | undefined;
  const leaf = {
    kind: 'constant',
    stored,
    get data() {
      return (read ??= stored.read());
    },
  } as const;
  return Tensor.make('constant', [], {}, stored.shape, 'float32', '', leaf);
}

/**
 * A float32 tensor of zeros.
 * @param shape logical shape
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example zeros([2, 3])
 */
export function zeros(shape: Shape): Tensor<'float32'> {
  const checked = checkShape('zeros', shape);
  return constantTensor(new Float32Array(elementCount(checked)), checked, 'float32');
}

/**
 * A float32 tensor of ones.
 * @param shape logical shape
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example ones([2, 3])
 */
export function ones(shape: Shape): Tensor<'float32'> {
  return full(shape, 1);
}

/**
 * A float32 tensor of one repeated value.
 * @param shape logical shape
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example full([2, 3], 0.5)
 */
export function full(shape: Shape, value: number): Tensor<'float32'> {
  const checked = checkShape('full', shape);
  return constantTensor(new Float32Array(elementCount(checked)).fill(value), checked, 'float32');
}

/** A scalar constant of shape []. */
export function scalar(value: number): Tensor<'float32'> {
  return constantTensor(Float32Array.of(value), [], 'float32');
}

export interface RandnOptions {
  /** The same seed gives the same numbers on every machine; default: the next stream of `manualSeed`. */
  seed?: number;
}

/**
 * A float32 tensor of normally distributed numbers, mean 0 and variance 1 (Philox4x32-10 and Box-Muller).
 * @param shape logical shape
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example randn([8, 3, 32, 32], { seed: 1 })
 */
export function randn(shape: Shape, options: RandnOptions = {}): Tensor<'float32'> {
  checkOptions('randn', options, ['seed']);
  const checked = checkShape('randn', shape);
  const generator = options.seed === undefined ? Philox.next() : new Philox(options.seed);
  const data = new Float32Array(elementCount(checked));
  generator.fillNormal(data);
  return constantTensor(data, checked, 'float32');
}

/** A variable: its value lives in `storage` and may change between runs. */
export function variableTensor(storage: VariableStorage, name: string): Tensor {
  return Tensor.make('variable', [], {}, storage.shape, 'float32', name, { kind: 'variable', storage });
}

/** A placeholder of a graph, fed at every run. */
export function inputTensor(spec: InputSpec, shape: Shape, dtype: DType): Tensor {
  return Tensor.make('input', [], {}, shape, dtype, spec.name, { kind: 'input', input: spec });
}

// By tag, not instanceof: arrays may come from another realm (vm contexts, test runners).
function typedArrayDType(values: unknown): DType | undefined {
  switch (Object.prototype.toString.call(values)) {
    case '[object Float32Array]':
      return 'float32';
    case '[object Int32Array]':
      return 'int32';
    case '[object Uint8Array]':
      return 'uint8';
    default:
      return undefined;
  }
}

function convert(values: ArrayLike<number>, dtype: DType): TypedArray {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values);
    case 'int32':
      return Int32Array.from(values);
    case 'uint8':
      return Uint8Array.from(values);
    default:
      throw new StridenetError('ERR_INVALID_ARGUMENT', `tensor expects dtype float32, int32 or uint8 but got ${formatValue(dtype)}.`);
  }
}

function flatten(values: NestedArray, out: number[]): Shape {
  if (typeof values === 'number') {
    out.push(values);
    return [];
  }
  if (!Array.isArray(values) || values.length === 0) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `tensor expects numbers in non-empty nested arrays but got ${formatValue(values)}.`);
  }
  const shapes = (values as readonly NestedArray[]).map((v) => flatten(v, out));
  const first = shapes[0]!;
  for (const [i, shape] of shapes.entries()) {
    if (shape.length !== first.length || shape.some((d, axis) => d !== first[axis])) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `tensor expects evenly nested arrays but entry 0 has shape ${formatShape(first)} and entry ${i} has shape ${formatShape(shape)}.`,
      );
    }
  }
  return [values.length, ...first];
}
