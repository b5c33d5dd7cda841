/**
 * npy: an array that NumPy saved (format versions 1 to 3, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), in C order, little endian. What
 * needs Python to be read (objects, structures) is refused.
 */

import { formatShape, formatValue, StridenetError } from '../errors';
import { elementCount, type Shape, type TypedArray } from '../graph/types';
import { STORED_TYPES, type ReadableType } from '../io/elementTypes';
import { checkPath, fileError, openRegular, readFully } from '../io/file';
import { KIND_BYTES, kindOf } from '../io/fileKind';
import type { Work } from '../work';
import { inSlices } from './slices';

/** An array out of a file of NumPy. */
export interface NpyArray {
  /** Extents of the axes, outermost first; [] for a single number. */
  readonly shape: Shape;
  /** The element type in the file, by NumPy's name. */
  readonly dtype: NpyType;
  /**
   * The values in row-major order, as `data.arrays` and `tensor` take them: floats as Float32Array (float64 is rounded), uint8 and bool as Uint8Array, other
   * integers as Int32Array.
   */
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** NumPy's name of an element type. */
export type NpyType =
  | 'bool' | 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'uint64' | 'int64' | 'float16' | 'float32' | 'float64'; // prettier-ignore

/** Where the bytes of an array come from: an open file, or an entry of an archive. */
export interface NpySource {
  /** What it is, for messages: a quoted path. */
  readonly name: string;
  readonly size: number;
  /** Fills `target` from byte `position` on and returns the bytes that were there. */
  read(target: Uint8Array, position: number): Promise<number>;
}

const MAGIC = '\x93NUMPY';
/** NumPy itself reads no longer headers than 10,000 characters from strangers. */
const LONGEST_HEADER = 1 << 16;
const MOST_AXES = 32;
/** So much is read and converted at a time; a multiple of every element's size. */
const PIECE_BYTES = 1 << 20;

/** Element types by the letter and size of a dtype's description, and what the package calls them. */
const TYPES: Readonly<Record<string, readonly [NpyType, string]>> = {
  b1: ['bool', 'BOOL'],
  u1: ['uint8', 'U8'],
  i1: ['int8', 'I8'],
  u2: ['uint16', 'U16'],
  i2: ['int16', 'I16'],
  u4: ['uint32', 'U32'],
  i4: ['int32', 'I32'],
  u8: ['uint64', 'U64'],
  i8: ['int64', 'I64'],
  f2: ['float16', 'F16'],
  f4: ['float32', 'F32'],
  f8: ['float64', 'F64'],
};

/**
 * Reads an array that `numpy.save` wrote.
 *
 * @throws StridenetError ERR_FILE_ACCESS; ERR_BAD_FILE when it is cut off, damaged, of another kind, or in Fortran order, big endian or of an element type that is no
 *   number; when an integer does not fit int32; ERR_OUT_OF_MEMORY
 * @example
 * const images = await data.npy('images.npy');  // uint8 [n, 28, 28]
 * const labels = await data.npy('labels.npy');  // int64 [n]
 * const set = data.arrays(images.data as Uint8Array, labels.data, { shape: [1, 28, 28] });
 */
export async function npy(path: string): Promise<NpyArray> {
  checkPath('data.npy', path);
  try {
    const { handle, size } = await openRegular(path);
    const read = (target: Uint8Array, position: number): Promise<number> => readFully(handle, target, position);
    return await readNpy({ name: formatValue(path), size, read }).finally(() => handle.close());
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** Reads an array out of a file or an archive. @throws StridenetError ERR_BAD_FILE, ERR_OUT_OF_MEMORY */
export async function readNpy(source: NpySource): Promise<NpyArray> {
  const { text, begin } = await readHeader(source);
  const { shape, dtype, type } = parseHeader(source.name, text);
  const count = shape.reduce((a, b) => a * b, 1);
  const bytes = count * type.bytes;
  if (!Number.isSafeInteger(bytes) || begin + bytes !== source.size) {
    const fault = begin + bytes > source.size ? 'are there: it is cut off' : 'are there, more than belong to it';
    throw badFile(source.name, `shape ${formatShape(shape)} of ${dtype} needs ${bytes} bytes but ${source.size - begin} ${fault}`);
  }
  const data = allocate(source.name, type, elementCount(shape));
  const target = new Uint8Array(data.buffer);
  for (let done = 0; done < bytes; done += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, bytes - done);
    const piece = type.convert ? new Uint8Array(length) : target.subarray(done, done + length);
    if ((await source.read(piece, begin + done)) < length) throw badFile(source.name, 'it is cut off');
    if (type.convert) await inSlices(converting(source.name, type, piece, data, done / type.bytes));
  }
  return { shape, dtype, data: data };
}

/** Converts some thousand numbers at a time. */
function* converting(name: string, type: ReadableType, bytes: Uint8Array, data: TypedArray, at: number): Work<void> {
  const step = PIECE_BYTES / 16;
  for (let done = 0; done < bytes.length; done += step) {
    const bad = type.convert!(bytes.subarray(done, done + step), data, at + done / type.bytes);
    if (bad !== undefined) throw badFile(name, `it holds ${bad}, which does not fit int32`);
    yield;
  }
}

/** The text of the header, and where the values begin. */
async function readHeader(source: NpySource): Promise<{ text: string; begin: number }> {
  const start = Buffer.alloc(Math.min(KIND_BYTES, source.size));
  await source.read(start, 0);
  const version = start[6];
  if (start.toString('latin1', 0, 6) !== MAGIC || version === undefined) {
    const kind = kindOf(start);
    throw badFile(source.name, kind === undefined || kind === 'a NumPy array (.npy)' ? 'it does not begin as one' : `it is ${kind}`);
  }
  if (version < 1 || version > 3) throw badFile(source.name, `it is of version ${version}; known are 1 to 3`);
  const prefix = version === 1 ? 10 : 12;
  if (source.size < prefix) throw badFile(source.name, 'it is cut off');
  const length = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  if (length > LONGEST_HEADER || prefix + length > source.size) throw badFile(source.name, `its header of ${length} bytes is longer than the file or any header`);
  const header = Buffer.alloc(length);
  await source.read(header, prefix);
  return { text: header.toString(version === 3 ? 'utf8' : 'latin1'), begin: prefix + length };
}

/** A literal of Python: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } */
function parseHeader(name: string, text: string): { shape: Shape; dtype: NpyType; type: ReadableType } {
  const parts = [/'descr': *('[^']*'|\[)/, /'fortran_order': *(True|False)/, /'shape': *\(([\d, L]*)\)/].map((part) => part.exec(text));
  const [descr, order, extents] = parts.map((part) => part?.[1]);
  const rest = parts.reduce((left, part) => left.replace(part?.[0] ?? '', ''), text);
  if (descr === undefined || order === undefined || extents === undefined || (descr !== '[' && !/^\{[\s,]*\}\s*$/.test(rest))) {
    throw badFile(name, `its header is ${formatValue(text.trim())}`);
  }
  if (descr === '[') throw badFile(name, 'it holds structures. Save each field as an array: numpy.save(path, array["field"])');
  const [, byteOrder, code] = /^'([<>|=]?)(\w+)'$/.exec(descr) ?? [];
  if (code?.startsWith('O')) throw badFile(name, 'it holds Python objects, which only Python can read. Convert them: array.astype("float32")');
  const [dtype, stored] = (code !== undefined && TYPES[code]) || [];
  if (dtype === undefined || stored === undefined) {
    throw badFile(name, `its elements are of type ${formatValue(descr.slice(1, -1))}, which is no number that is known. Convert them: array.astype("float32")`);
  }
  if (byteOrder === '>') throw badFile(name, `its numbers are big endian. Convert them: array.astype("<${code}")`);
  const shape = extents.replaceAll('L', '').split(',').map((extent) => extent.trim()).filter((extent) => extent !== '').map(Number); // prettier-ignore
  if (shape.length > MOST_AXES || !shape.every(Number.isSafeInteger)) throw badFile(name, `its shape is ${formatValue(extents)}`);
  if (order === 'True' && shape.length > 1) throw badFile(name, 'it is in Fortran order. Save it in C order: numpy.save(path, numpy.ascontiguousarray(array))');
  return { shape, dtype, type: STORED_TYPES[stored] as ReadableType };
}

function allocate(name: string, { dtype }: ReadableType, count: number): TypedArray {
  try {
    return dtype === 'float32' ? new Float32Array(count) : dtype === 'int32' ? new Int32Array(count) : new Uint8Array(count);
  } catch (cause) {
    throw new StridenetError('ERR_OUT_OF_MEMORY', `The ${count} numbers of ${name} could not be allocated.`, { cause });
  }
}

function badFile(name: string, fault: string): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${name} is not a valid NumPy array: ${fault}.`);
}
