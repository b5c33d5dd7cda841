/**
 * Safetensors files: named tensors behind a JSON header, without code in them (https://huggingface.co/docs/safetensors).
 * Layout: header length (uint64, little endian), header, data. It writes float32, int32 and uint8, and int64 for counts; the other types that it reads become these.
 */

import type { FileHandle } from 'node:fs/promises';
import { TextDecoder, types } from 'node:util';
import { formatShape, formatValue, StridenetError } from '../errors';
import { checkShape, constantTensor, storedTensor } from '../graph/leaves';
import { notedPreprocessing, notePreprocessing, preprocessingFromMetadata, preprocessingMetadata } from '../graph/preprocess';
import { Tensor } from '../graph/tensor';
import { elementCount, type DType, type Shape, type TypedArray } from '../graph/types';
import { STORED_TYPES, type StoredType } from './elementTypes';
import { checkPath, fileError, openRegular, readFully } from './file';
import { writeFileAtomic } from './replaceFile';
import { StoredFile, StoredNumbers } from './storedFile';

/** Values with their shape and type, in row-major logical order. */
export interface RawTensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: TypedArray;
}

/** What a file holds: the tensors and the free text beside them. */
export interface SafetensorsContents {
  readonly tensors: Map<string, RawTensor>;
  readonly metadata: Record<string, string>;
}

/** The specification's limit; a longer header is a damaged length field. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA_KEY = '__metadata__';
const FILE_TYPES: Readonly<Record<DType, string>> = { float32: 'F32', int32: 'I32', uint8: 'U8' };
/** Converted types pass through a buffer of this many bytes, so that a tensor never lies in memory twice. */
const CONVERT_BYTES = 1 << 20;
/** Neighbours in a file are read together up to this many bytes: a call takes as long as copying some tens of KiB. */
const RUN_BYTES = 1 << 18;
/** For the same reason smaller values, such as batch normalisation checks, are kept in memory even if they stay in the file. */
const KNOWN_BYTES = 1 << 14;
/** Runs on their way at a time: copying out of the page cache keeps more than one core busy. */
const READERS = 4;

/**
 * Writes named tensors. Equal contents give equal bytes, whatever the order of the map. The values are those at the time of the call
 * (a RawTensor's `data` must not be changed until the promise settles). The file appears whole or not at all.
 *
 * @param path file to write; replaced when it exists
 * @param map tensors by name; `module.stateDict()` is one
 * @param metadata free text, stored as given; beside it that of `module.stateDict()` says how images are read (`module.preprocess`)
 * @throws StridenetError ERR_FILE_ACCESS when the file cannot be written; ERR_INVALID_ARGUMENT for a map that cannot be stored
 * @example await saveSafetensors('lenet.safetensors', model.stateDict());
 */
export async function saveSafetensors(
  path: string,
  map: ReadonlyMap<string, Tensor | RawTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  checkPath('saveSafetensors', path);
  if (Object.prototype.toString.call(map) !== '[object Map]') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `saveSafetensors expects a Map of tensors by name but got ${formatValue(map)}.`);
  }
  checkMetadata(metadata);
  const named = await Promise.all([...map].map(async ([name, value]) => [name, await snapshot(name, value)] as const));
  // Wide elements first, so that every tensor is aligned to its elements; then by name.
  named.sort(([a, x], [b, y]) => STORED_TYPES[y.type]!.bytes - STORED_TYPES[x.type]!.bytes || (a < b ? -1 : 1));

  const fields: string[] = [];
  const texts = Object.entries({ ...preprocessingMetadata(notedPreprocessing(map)), ...metadata }).sort(([a], [b]) => (a < b ? -1 : 1));
  if (texts.length > 0)
    fields.push(`${JSON.stringify(METADATA_KEY)}:{${texts.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`);
  let offset = 0;
  for (const [name, { type, shape, bytes }] of named) {
    const end = offset + bytes.byteLength;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: type, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const header = frameHeader(`{${fields.join(',')}}`);
  await writeFileAtomic(path, [header, ...named.map(([, { bytes }]) => bytes)], header.length + offset);
}

/**
 * Reads named tensors. float16, bfloat16 and float64 become float32; int64 becomes int32 when every value fits.
 *
 * Floating-point values of a large file stay there until they are needed, and models that load them read them from it: the file is kept
 * open and must not be written over (a new one may take its place by renaming, as `saveSafetensors` does).
 *
 * @throws StridenetError ERR_FILE_ACCESS when the file cannot be read; ERR_BAD_FILE when it is truncated, malformed or of another kind;
 * later ERR_FILE_CHANGED from whatever needs a value after the file was written over
 * @example model.loadStateDict(await loadSafetensors('lenet.safetensors'));
 */
export async function loadSafetensors(path: string): Promise<Map<string, Tensor>> {
  return (await loadSafetensorsWithMetadata(path)).tensors;
}

/** The same with the free text of the same file, also when another takes its place meanwhile. @throws StridenetError as `loadSafetensors` */
export async function loadSafetensorsWithMetadata(
  path: string,
): Promise<{ tensors: Map<string, Tensor>; metadata: Record<string, string> }> {
  return withFile(path, async (handle, size, keep) => {
    const { entries: found, dataStart, metadata } = await readHeader(path, handle, size);
    const preprocess = preprocessingFromMetadata(path, metadata);
    const entries = found.map((entry) => ({ ...entry, shape: tensorShape(path, entry) }));
    const file = keep();
    const staying = ({ type }: Entry): boolean => file !== undefined && type.dtype === 'float32';
    const read = await readTensors(
      path,
      handle,
      dataStart,
      entries.filter((entry) => !staying(entry) || entry.end - entry.begin < KNOWN_BYTES),
    );
    const tensors = new Map(
      entries.map((entry): [string, Tensor] => {
        const { name, type, shape, begin } = entry;
        const data = read.get(name)?.data;
        if (!staying(entry)) return [name, constantTensor(data!, shape, type.dtype)];
        return [name, storedTensor(new StoredNumbers(file!, type, shape, dataStart + begin, data as Float32Array | undefined))];
      }),
    );
    return { tensors: notePreprocessing(tensors, () => preprocess), metadata };
  });
}

function tensorShape(path: string, { name, shape }: Entry): Shape {
  try {
    return checkShape('loadSafetensors', shape);
  } catch (error) {
    throw badFile(path, `tensor ${formatValue(name)} has shape ${formatValue(shape)}, which cannot be a Tensor`, error);
  }
}

/** Reads only the free text of a file. @throws StridenetError as `loadSafetensors` */
export async function readSafetensorsMetadata(path: string): Promise<Record<string, string>> {
  return withFile(path, async (handle, size) => (await readHeader(path, handle, size)).metadata);
}

/** Reads tensors and free text as they are stored, empty tensors included. @throws StridenetError as `loadSafetensors` */
export async function readSafetensors(path: string): Promise<SafetensorsContents> {
  return withFile(path, async (handle, size) => {
    const { entries, metadata, dataStart } = await readHeader(path, handle, size);
    return { tensors: await readTensors(path, handle, dataStart, entries), metadata };
  });
}

/** @param entries in file order */
async function readTensors(
  path: string,
  handle: FileHandle,
  dataStart: number,
  entries: readonly Entry[],
): Promise<Map<string, RawTensor>> {
  const runs = findRuns(entries);
  const loaded = new Array<readonly RawTensor[]>(runs.length);
  let next = 0;
  const reader = async (): Promise<void> => {
    while (next < runs.length) {
      const i = next++;
      loaded[i] = await readRun(path, handle, dataStart, runs[i]!);
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return new Map(runs.flatMap((run, i) => run.map(({ name }, k): [string, RawTensor] => [name, loaded[i]![k]!])));
}

/** Entries that follow each other without a gap, as many as may be read together. */
function findRuns(entries: readonly Entry[]): Entry[][] {
  const runs: Entry[][] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    if (run && run.at(-1)!.end === entry.begin && entry.end - run[0]!.begin <= RUN_BYTES) run.push(entry);
    else runs.push([entry]);
  }
  return runs;
}

interface Entry {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

interface Header {
  readonly entries: readonly Entry[]; // in file order
  readonly metadata: Record<string, string>;
  readonly dataStart: number;
}

/** Opens a file for `read`, which may `keep` it open (see StoredFile); closes it afterwards unless it did. */
async function withFile<T>(
  path: string,
  read: (handle: FileHandle, size: number, keep: () => StoredFile | undefined) => Promise<T>,
): Promise<T> {
  checkPath('loadSafetensors', path);
  let handle: FileHandle | undefined;
  let kept: StoredFile | undefined;
  try {
    const { handle: opened, size } = await openRegular(path);
    handle = opened;
    return await read(opened, size, () => (kept = StoredFile.keep(path, opened, size)));
  } catch (error) {
    throw fileError('read', path, error);
  } finally {
    if (!kept) await handle?.close();
  }
}

async function readHeader(path: string, handle: FileHandle, size: number): Promise<Header> {
  if (size < 8) throw badFile(path, `it has ${size} bytes and a header length alone takes 8`);
  const lengthField = Buffer.alloc(8);
  await readFully(handle, lengthField, 0);
  const declared = lengthField.readBigUInt64LE();
  if (declared > BigInt(MAX_HEADER_BYTES)) {
    throw badFile(path, `its header claims ${declared} bytes, over the format's limit of ${MAX_HEADER_BYTES}`);
  }
  const length = Number(declared);
  const dataStart = 8 + length;
  if (dataStart > size) throw badFile(path, `its header should end at byte ${dataStart} but the file has ${size} bytes: it is truncated`);
  const text = Buffer.alloc(length);
  if ((await readFully(handle, text, 8)) < length) throw badFile(path, 'it became shorter while it was read');
  const json = parseJson(path, text);

  const metadata = readMetadata(path, json[METADATA_KEY]);
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(json)) if (name !== METADATA_KEY) entries.push(readEntry(path, name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== expected) {
      const fault = begin < expected ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw badFile(path, `tensor ${formatValue(name)} should begin at data byte ${expected} but begins at ${begin}: it ${fault}`);
    }
    expected = end;
  }
  if (dataStart + expected !== size) {
    const fault = dataStart + expected > size ? 'it is truncated' : 'there are bytes after the last tensor';
    throw badFile(path, `its tensors should end at byte ${dataStart + expected} but the file has ${size} bytes: ${fault}`);
  }
  return { entries, metadata, dataStart };
}

function parseJson(path: string, text: Buffer): Record<string, unknown> {
  if (text[0] !== 0x7b) throw badFile(path, 'its header does not begin with "{"');
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (error) {
    throw badFile(path, `its header is not JSON (${error instanceof Error ? error.message : String(error)})`, error);
  }
  return json as Record<string, unknown>; // it begins with "{", so it is an object
}

function readMetadata(path: string, value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const valid = isRecord(value) && Object.values(value).every((v) => typeof v === 'string');
  if (!valid) throw badFile(path, `its ${METADATA_KEY} should be an object of strings`);
  return value as Record<string, string>;
}

function readEntry(path: string, name: string, value: unknown): Entry {
  const where = `tensor ${formatValue(name)}`;
  if (!isRecord(value)) throw badFile(path, `${where} should be described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const type = typeof dtype === 'string' && Object.hasOwn(STORED_TYPES, dtype) ? STORED_TYPES[dtype] : undefined;
  if (!type)
    throw badFile(path, `${where} has the element type ${formatValue(dtype)}; supported are ${Object.keys(STORED_TYPES).join(', ')}`);
  if (!isCountArray(shape)) throw badFile(path, `${where} has the shape ${formatValue(shape)}; expected are integers of at least 0`);
  if (!isIntegerArray(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw badFile(path, `${where} has data_offsets ${formatValue(offsets)}; expected are [begin, end] with begin <= end`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = elementCount(shape) * type.bytes;
  if (bytes !== end - begin) {
    throw badFile(
      path,
      `${where} of type ${String(dtype)} and shape ${formatValue(shape)} should take ${bytes} bytes but its data_offsets span ${end - begin}`,
    );
  }
  return { name, type, shape, begin, end };
}

async function readRun(path: string, handle: FileHandle, dataStart: number, run: readonly Entry[]): Promise<RawTensor[]> {
  if (run.length === 1) return [await readTensor(path, handle, dataStart, run[0]!)];
  const { begin } = run[0]!;
  const bytes = new Uint8Array(run.at(-1)!.end - begin);
  await fill(path, handle, bytes, dataStart + begin);
  return run.map((entry) => {
    const { name, type, shape } = entry;
    const data = allocate(path, name, type.dtype, elementCount(shape));
    const stored = bytes.subarray(entry.begin - begin, entry.end - begin);
    if (type.convert) convertPart(path, entry, stored, data, 0);
    else bytesOf(data).set(stored);
    return { shape, dtype: type.dtype, data };
  });
}

async function readTensor(path: string, handle: FileHandle, dataStart: number, entry: Entry): Promise<RawTensor> {
  const { name, type, shape, begin, end } = entry;
  const data = allocate(path, name, type.dtype, elementCount(shape));
  if (!type.convert) {
    await fill(path, handle, bytesOf(data), dataStart + begin);
    return { shape, dtype: type.dtype, data };
  }
  const buffer = new Uint8Array(Math.min(CONVERT_BYTES, end - begin));
  for (let position = begin; position < end; position += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, end - position));
    await fill(path, handle, chunk, dataStart + position);
    convertPart(path, entry, chunk, data, (position - begin) / type.bytes);
  }
  return { shape, dtype: type.dtype, data };
}

async function fill(path: string, handle: FileHandle, target: Uint8Array, position: number): Promise<void> {
  if ((await readFully(handle, target, position)) < target.length) throw badFile(path, 'it became shorter while it was read');
}

/** Stored elements to those of `data` from `at` on. */
function convertPart(path: string, { name, type }: Entry, stored: Uint8Array, data: TypedArray, at: number): void {
  const bad = type.convert!(stored, data, at);
  if (bad !== undefined) throw badFile(path, `tensor ${formatValue(name)} holds ${bad}, which does not fit ${type.dtype}`);
}

function allocate(path: string, name: string, dtype: DType, count: number): TypedArray {
  try {
    return dtype === 'float32' ? new Float32Array(count) : dtype === 'int32' ? new Int32Array(count) : new Uint8Array(count);
  } catch (error) {
    throw new StridenetError(
      'ERR_OUT_OF_MEMORY',
      `Cannot allocate ${count} ${dtype} numbers for tensor ${formatValue(name)} of ${formatValue(path)}.`,
      {
        cause: error,
      },
    );
  }
}

/** The value as it is now: live values of variables are copied, so that training may go on while the file is written. */
async function snapshot(name: unknown, value: Tensor | RawTensor): Promise<StoredTensor> {
  if (typeof name !== 'string' || name === METADATA_KEY) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `saveSafetensors expects names other than "${METADATA_KEY}" that are strings but got ${formatValue(name)}.`,
    );
  }
  if (!Tensor.is(value)) return stored(name, checkRaw(name, value));
  const { shape, dtype, leaf } = value;
  if (leaf?.kind !== 'variable') return stored(name, { shape, dtype, data: value.value ?? (await value.data()) });
  const data = leaf.storage.value();
  if (leaf.storage.isInteger) return { shape, type: 'I64', bytes: int64Bytes(data) };
  return stored(name, { shape, dtype, data: data.slice() });
}

/** A tensor as its bytes in a file. */
interface StoredTensor {
  readonly shape: Shape;
  /** A key of STORED_TYPES. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

function stored(name: string, { shape, dtype, data }: RawTensor): StoredTensor {
  const bytes = bytesOf(data);
  const elements = bytes.length / data.BYTES_PER_ELEMENT;
  if (elements === elementCount(shape)) return { shape, type: FILE_TYPES[dtype], bytes };
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `saveSafetensors: ${formatValue(name)} of shape ${formatShape(shape)} expects ${elementCount(shape)} values but got ${elements}` +
      `${elements === 0 ? '; was its array transferred to another thread?' : '.'}`,
  );
}

function int64Bytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((v, i) => view.setBigInt64(8 * i, BigInt(Math.round(v)), true));
  return bytes;
}

/** Whether a value is the typed array that it seems to be: of any realm, but no object that only calls itself one. */
const IS_ARRAY_OF: Readonly<Record<DType, (value: unknown) => boolean>> = {
  float32: types.isFloat32Array,
  int32: types.isInt32Array,
  uint8: types.isUint8Array,
};

/** The parts of `value`, each read once. @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH */
function checkRaw(name: string, value: unknown): RawTensor {
  const { shape: given, dtype, data } = (value ?? {}) as Partial<RawTensor>;
  const shape: unknown = Array.isArray(given) ? Array.from(given as Shape) : given;
  if (typeof dtype !== 'string' || !Object.hasOwn(IS_ARRAY_OF, dtype) || !isCountArray(shape) || !IS_ARRAY_OF[dtype](data)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `saveSafetensors expects ${formatValue(name)} to be a Tensor or { shape, dtype, data } with the typed array of its dtype but got ${formatValue(value)}.`,
    );
  }
  return { shape, dtype, data: data! };
}

function checkMetadata(metadata: unknown): void {
  if (isRecord(metadata) && Object.values(metadata).every((v) => typeof v === 'string')) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `saveSafetensors expects metadata to be an object of strings but got ${formatValue(metadata)}.`,
  );
}

/** The length field and the header, padded by spaces so that the data begins at a multiple of 8. */
function frameHeader(json: string): Uint8Array {
  const text = Buffer.from(json, 'utf8');
  const length = Math.ceil(text.length / 8) * 8;
  const frame = Buffer.alloc(8 + length, ' ');
  frame.writeBigUInt64LE(BigInt(length));
  text.copy(frame, 8);
  return frame;
}

function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isIntegerArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((d) => Number.isSafeInteger(d) && d >= 0);
}

/** Integers of at least 0 whose product stays exact. */
function isCountArray(value: unknown): value is number[] {
  return isIntegerArray(value) && Number.isSafeInteger(elementCount(value) * 8);
}

function badFile(path: string, fault: string, cause?: unknown): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${formatValue(path)} is not a valid safetensors file: ${fault}.`, { cause });
}
