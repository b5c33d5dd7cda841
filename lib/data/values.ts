/** Pixels and labels as callers hand them over, as the arrays that are fed: what may come, and what to do about what may not. */

import { types } from 'node:util';
import { formatValue, StridenetError } from '../errors';
import { Tensor } from '../graph/tensor';

/** Raw values of images, one image after the other. */
export type Pixels = Float32Array | Uint8Array | Uint8ClampedArray;
/** The number of the class of each image. */
export type ClassNumbers =
  | readonly number[]
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** The weight of each example. */
export type SampleWeights = readonly number[] | Float32Array | Float64Array;

/**
 * The same memory as an array of this realm and of no subclass such as Buffer, whose constructor and `subarray` are others.
 * @param what the argument, for messages
 * @throws StridenetError ERR_INVALID_ARGUMENT for another type and for memory that was given away
 */
export function readPixels(where: string, what: string, data: unknown): Float32Array | Uint8Array {
  switch (kindOf(data)) {
    case 'Float32Array':
      return viewOf(where, what, data as Float32Array, Float32Array);
    case 'Uint8Array':
    case 'Uint8ClampedArray':
      return viewOf(where, what, data as Uint8Array, Uint8Array);
    default:
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects ${what} as a Float32Array, Uint8Array or Uint8ClampedArray but got ${formatValue(data)}.${pixelAdvice(data)}`,
      );
  }
}

/**
 * Class numbers as int32 or, where they lie so already, uint8.
 * @param what the argument, for messages
 * @param count how many there must be @param images that they belong to
 * @throws StridenetError ERR_INVALID_ARGUMENT for another type and for what is no integer, ERR_SHAPE_MISMATCH for another number of them
 */
export function readClassNumbers(where: string, what: string, data: unknown, count: number, images = count): Int32Array | Uint8Array {
  switch (kindOf(data)) {
    case 'Int32Array':
      return checkCount(where, viewOf(where, what, data as Int32Array, Int32Array), count, images);
    case 'Uint8Array':
    case 'Uint8ClampedArray':
      return checkCount(where, viewOf(where, what, data as Uint8Array, Uint8Array), count, images);
    case 'Array':
    case 'Int8Array':
    case 'Int16Array':
    case 'Uint16Array':
    case 'Uint32Array':
      return toInt32(where, what, checkCount(where, data as ArrayLike<unknown>, count, images));
    default:
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects ${what} as an Int32Array, Uint8Array or an array of integers but got ${formatValue(data)}.${labelAdvice(data)}`,
      );
  }
}

/**
 * Values that a model should give, as float32.
 * @throws StridenetError ERR_INVALID_ARGUMENT for another type or memory that was given away, ERR_SHAPE_MISMATCH for another number of them
 */
export function readValues(where: string, what: string, data: unknown, count: number): Float32Array {
  if (kindOf(data) !== 'Float32Array') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${what} as a Float32Array but got ${formatValue(data)}.`);
  }
  const values = viewOf(where, what, data as Float32Array, Float32Array);
  if (values.length === count) return values;
  throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects ${what} to be ${count} values but got ${values.length}.`);
}

/**
 * Weights of examples, as float32.
 * @param what the argument, for messages
 * @throws StridenetError ERR_INVALID_ARGUMENT for another type and for a number that is negative or not finite, ERR_SHAPE_MISMATCH for another number of them
 */
export function readSampleWeights(where: string, what: string, data: unknown, count: number): Float32Array {
  const kind = kindOf(data);
  if (kind === undefined || kind.startsWith('Big')) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${what} as a Float32Array or an array of numbers, one weight for each example, but got ${formatValue(data)}.`,
    );
  }
  const given = kind === 'Float32Array' ? viewOf(where, what, data as Float32Array, Float32Array) : (data as ArrayLike<unknown>);
  if (given.length !== count) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects ${what} to be one weight for each of the ${count} examples but got ${given.length}.`,
    );
  }
  const weights = given instanceof Float32Array ? given : new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = given[i];
    if (isSampleWeight(value)) weights[i] = value;
    else throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${what} to be ${SAMPLE_WEIGHT} but weight ${i} is ${formatValue(value)}.`);
  }
  return weights;
}

/** What a weight must be, in words. */
export const SAMPLE_WEIGHT = 'finite numbers of at least 0';

/** Whether it is a number of at least 0 that is finite in float32. */
export function isSampleWeight(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(Math.fround(value));
}

/** Copies all but every fourth value. */
export const NO_ALPHA = '(_, i) => i % 4 < 3';

type Fed = Float32Array | Int32Array | Uint8Array;

function viewOf<T extends Fed>(
  where: string,
  what: string,
  data: Fed,
  type: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
): T {
  // Its own length: a field of that name may say another.
  const length = typedArrayLength.call(data);
  if (data.constructor === type && length > 0 && length === data.length) return data as T;
  try {
    return new type(data.buffer, data.byteOffset, length);
  } catch (error) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${what} in memory of this thread but the ${formatValue(data)} is detached: its memory was transferred elsewhere.`,
      { cause: error },
    );
  }
}

function checkCount<T extends ArrayLike<unknown>>(where: string, labels: T, count: number, images: number): T {
  if (labels.length === count) return labels;
  const labelsOfOne = count === images ? 'one label' : `${count / images} labels`;
  throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects ${labelsOfOne} for each of the ${images} images but got ${labels.length}.`);
}

function toInt32(where: string, what: string, values: ArrayLike<unknown>): Int32Array {
  const numbers = new Int32Array(values.length);
  for (let i = 0; i < numbers.length; i++) {
    const value = values[i];
    // The value is not converted to a string: for a deep array that could take forever.
    if (typeof value === 'number') numbers[i] = value;
    if (numbers[i] === value) continue;
    const advice = Array.isArray(value) || ArrayBuffer.isView(value) ? ' A row of scores or of ones and zeros names its class by its position.' : '';
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${what} to be integers, the number of each image's class, but label ${i} is ${formatValue(value)}.${advice}`,
    );
  }
  return numbers;
}

function pixelAdvice(data: unknown): string {
  if (Tensor.is(data)) return ' Take its values, await images.data(), or pass it to data.arrays, which makes a data set.';
  if (types.isAnyArrayBuffer(data)) return ' Say what it holds: new Uint8Array(images) or new Float32Array(images).';
  const kind = kindOf(data);
  if (kind?.startsWith('Big')) return ' Convert them: Float32Array.from(images, Number).';
  if (Array.isArray(data)) {
    if (ArrayBuffer.isView(data[0])) return ' Put the images one after the other into one array.';
    if (Array.isArray(data[0])) return ' Make a tensor of nested arrays: tensor(images).';
    return ' Convert them: Float32Array.from(images), or Uint8Array.from(images) if they are 0 to 255.';
  }
  if (kind !== undefined) return ' Convert them: Float32Array.from(images).';
  const { data: pixels, width } = Object(data) as { data?: unknown; width?: unknown };
  if (!ArrayBuffer.isView(pixels)) return '';
  // ImageData of a canvas says its width and is RGBA; what sharp resolves with has it elsewhere.
  return width === undefined ? ' Pass its data.' : ` Pass its data without alpha: image.data.filter(${NO_ALPHA}), with layout: 'nhwc'.`;
}

function labelAdvice(data: unknown): string {
  if (Tensor.is(data)) return ' Take its values, await labels.data(), or pass it to data.arrays, which makes a data set.';
  if (types.isAnyArrayBuffer(data)) return ' Say what it holds: new Uint8Array(labels) or new Int32Array(labels).';
  const kind = kindOf(data);
  if (kind?.startsWith('Big')) return ' Convert them: Int32Array.from(labels, Number).';
  if (kind?.startsWith('Float')) return ' Class numbers are integers: Int32Array.from(labels).';
  return typeof data === 'object' && data !== null && Symbol.iterator in data ? ' Pass [...labels].' : '';
}

const ofTypedArrays = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array);
const typedArrayName = ofTypedArrays[Symbol.toStringTag].get!;
const typedArrayLength = ofTypedArrays.length.get!;

/** 'Float32Array', ..., 'Array' or, for anything else, undefined. Not instanceof: arrays may come from another realm. */
export function kindOf(value: unknown): string | undefined {
  return Array.isArray(value) ? 'Array' : typedArrayName.call(value);
}
