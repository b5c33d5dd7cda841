/** Nodes without inputs: constants, variables and placeholders. */

import { checkInteger, checkNumeric, checkOptions, formatShape, formatValue, readArray, StridenetError } from '../errors';
import { Philox } from '../random';
import type { StoredValue, VariableStorage } from './storage';
import { Tensor, type InputSpec, type Leaf } from './tensor';
import {
  dtypeOf,
  elementCount,
  MAX_RANK,
  newArray,
  type DType,
  type DTypeOf,
  type NestedArray,
  type Shape,
  type TypedArray,
} from './types';

/** More elements than any machine can hold. */
const MAX_ELEMENTS = 2 ** 38;

/** Checks a shape given by a user: integers of at least 1, at most six of them. */
export function checkShape(where: string, shape: unknown): Shape {
  const extents = readArray(shape, MAX_RANK);
  if (!extents?.every(isExtent)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a shape of at most ${MAX_RANK} integers of at least 1 but got ${formatValue(shape)}.`,
    );
  }
  return Object.freeze(checkSize(where, extents));
}

function isExtent(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for a shape of more elements than any machine can hold */
export function checkSize<S extends Shape>(where: string, shape: S): S {
  if (elementCount(shape) <= MAX_ELEMENTS) return shape;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where}: a tensor of shape ${formatShape(shape)} is too large.`);
}

/** Options of `tensor`. */
export interface TensorOptions<D extends DType = DType> {
  /** Element type; default: that of a typed array, 'float32' for numbers. */
  dtype?: D | undefined;
}

/**
 * A constant tensor from nested arrays, a number, or a typed array with its shape. The values are copied.
 *
 * @param values numbers, nested evenly, or a Float32Array (float32), Int32Array (int32) or Uint8Array (uint8)
 * @param shape the shape in logical order; default: that of the nesting, or [length] for a typed array
 * @throws StridenetError ERR_SHAPE_MISMATCH for ragged nesting or a length that does not fit the shape; ERR_INVALID_ARGUMENT, besides
 * others, for a number that an integer type cannot hold: a fraction, NaN or one out of its range
 * @example tensor([[1, 2], [3, 4]]).shape // [2, 2]
 */
export function tensor<V extends NestedArray | TypedArray, D extends DType = DTypeOf<V>>(
  values: V,
  shape?: Shape,
  options: TensorOptions<D> = {},
): Tensor<D> {
  checkOptions('tensor', options, ['dtype']);
  const typed = dtypeOf(values);
  const dtype = checkDTypeName(options.dtype ?? typed ?? 'float32');
  let data: TypedArray;
  let inferred: Shape;
  if (typed) {
    inferred = checkShape('tensor', [(values as TypedArray).length]);
    data = newArray('tensor', inferred, dtype);
    if (typed === dtype || dtype === 'float32') data.set(values as TypedArray);
    else fill(values, inferred, data);
  } else {
    inferred = nestingOf(values);
    data = newArray('tensor', inferred, dtype);
    fill(values, inferred, data);
  }
  const finalShape = checkShape('tensor', shape ?? inferred);
  if (elementCount(finalShape) !== data.length) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `tensor of shape ${formatShape(finalShape)} expects ${elementCount(finalShape)} values but got ${data.length}.`,
    );
  }
  return constantTensor(data, finalShape, dtype);
}

/** A constant that takes `data` over without a copy. */
export function constantTensor(data: TypedArray, shape: Shape, dtype: DType): Tensor {
  return makeLeaf({ kind: 'constant', data }, shape, dtype, '');
}

/**
 * A constant that is read when its value is first asked for, and then kept.
 * @param stored where it lies, if that is a float32 value which may stay there
 */
export function lazyTensor(shape: Shape, dtype: DType, read: () => TypedArray, stored?: StoredValue): Tensor {
  let known: TypedArray | undefined;
  const leaf = {
    kind: 'constant',
    stored,
    get data() {
      return (known ??= read());
    },
  } as const;
  return makeLeaf(leaf, shape, dtype, '');
}

/**
 * A float32 tensor of zeros.
 * @param shape logical shape
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example zeros([2, 3])
 */
export function zeros(shape: Shape): Tensor<'float32'> {
  const checked = checkShape('zeros', shape);
  return constantTensor(newArray('zeros', checked, 'float32'), checked, 'float32');
}

/**
 * A float32 tensor of ones.
 * @param shape logical shape
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example ones([2, 3])
 */
export function ones(shape: Shape): Tensor<'float32'> {
  return filled('ones', shape, 1);
}

/**
 * A float32 tensor of one repeated value.
 * @param shape logical shape
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example full([2, 3], 0.5)
 */
export function full(shape: Shape, value: number): Tensor<'float32'> {
  return filled('full', shape, checkNumeric('full', 'value', value));
}

function filled(where: string, shape: Shape, value: number): Tensor<'float32'> {
  const checked = checkShape(where, shape);
  return constantTensor(newArray(where, checked, 'float32').fill(value), checked, 'float32');
}

/** A scalar constant of shape []. */
export function scalar(value: number): Tensor<'float32'> {
  return constantTensor(Float32Array.of(value), [], 'float32');
}

/** Options of `randn`. */
export interface RandnOptions {
  /** The same seed gives the same numbers on every machine; default: the next stream of `manualSeed`. */
  seed?: number | undefined;
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
  const generator = options.seed === undefined ? Philox.next() : new Philox(checkInteger('randn', 'seed', options.seed, 0));
  const data = newArray('randn', checked, 'float32');
  generator.fillNormal(data);
  return constantTensor(data, checked, 'float32');
}

/** A variable: its value lives in `storage` and may change between runs. */
export function variableTensor(storage: VariableStorage, name: string): Tensor {
  return makeLeaf({ kind: 'variable', storage }, storage.shape, 'float32', name);
}

/** A placeholder of a graph, fed at every run. */
export function inputTensor(spec: InputSpec, shape: Shape, dtype: DType): Tensor {
  return makeLeaf({ kind: 'input', input: spec }, shape, dtype, spec.name);
}

/** A placeholder of one float32 number. */
export function scalarFeed(name: string): Tensor {
  return inputTensor({ name, feedDType: 'float32', layout: 'nchw' }, [], 'float32');
}

function makeLeaf(leaf: Leaf, shape: Shape, dtype: DType, name: string): Tensor {
  return Tensor.make({ op: leaf.kind, inputs: [], attrs: {}, shape, dtype, name, leaf });
}

function checkDTypeName(dtype: unknown): DType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'uint8') return dtype;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `tensor expects dtype float32, int32 or uint8 but got ${formatValue(dtype)}.`);
}

/**
 * The shape of nested arrays as their first entries say.
 * @throws StridenetError ERR_INVALID_ARGUMENT for what is neither a number nor a non-empty array, or nested too deep
 */
function nestingOf(values: unknown): number[] {
  const shape: number[] = [];
  let first = values;
  while (typeof first !== 'number') {
    if (!Array.isArray(first) || first.length === 0) throw noNumbers(first);
    if (shape.length === MAX_RANK) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `tensor expects arrays nested at most ${MAX_RANK} deep but got ${formatValue(values)}, which is deeper.`,
      );
    }
    shape.push(first.length);
    first = (first as unknown[])[0];
  }
  return [...checkSize('tensor', shape)];
}

/**
 * Writes nested numbers, or those of a typed array, one after the other.
 * @throws StridenetError ERR_SHAPE_MISMATCH unless they are nested as `shape` says, ERR_INVALID_ARGUMENT for what an integer type cannot hold
 */
function fill(values: unknown, shape: Shape, out: TypedArray): void {
  const rounds = dtypeOf(out) === 'float32';
  let at = 0;
  const put = (value: number): void => {
    out[at] = value;
    if (!rounds && out[at] !== value) throw unfit(value, at, shape, out);
    at++;
  };
  const walk = (array: ArrayLike<unknown>, axis: number): void => {
    const isLast = axis === shape.length - 1;
    for (let i = 0; i < shape[axis]!; i++) {
      const entry = array[i];
      if (isLast && typeof entry === 'number') put(entry);
      else if (!isLast && Array.isArray(entry) && entry.length === shape[axis + 1]) walk(entry, axis + 1);
      else throw ragged(entry, i, shape.slice(axis + 1));
    }
  };
  if (shape.length === 0) put(values as number);
  else walk(values as ArrayLike<unknown>, 0);
}

function unfit(value: number, at: number, shape: Shape, out: TypedArray): StridenetError {
  const index: number[] = [];
  let rest = at;
  for (const extent of [...shape].reverse()) {
    index.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  const range = dtypeOf(out) === 'uint8' ? '0 to 255' : '-2147483648 to 2147483647';
  return new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `tensor of dtype ${dtypeOf(out)} expects integers from ${range} but the value at ${formatShape(index)} is ${value}. ` +
      'Round and clamp such values first, or leave dtype out for float32.',
  );
}

function ragged(entry: unknown, index: number, expected: Shape): StridenetError {
  return new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `tensor expects evenly nested arrays but entry 0 has shape ${formatShape(expected)} and entry ${index} has shape ${formatShape(nestingOf(entry))}.`,
  );
}

function noNumbers(found: unknown): StridenetError {
  return new StridenetError('ERR_INVALID_ARGUMENT', `tensor expects numbers in non-empty nested arrays but got ${formatValue(found)}.`);
}
