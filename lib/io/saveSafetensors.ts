/** Writes safetensors files: float32, int32 and uint8, and int64 for counts. */

import { types } from 'node:util';
import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import { notedPreprocessing, preprocessingMetadata } from '../graph/preprocess';
import { readHeld, type VariableStorage } from '../graph/storage';
import { Tensor } from '../graph/tensor';
import { elementCount, type DType, type Shape } from '../graph/types';
import { STORED_TYPES, type RawTensor } from './elementTypes';
import { checkPath } from './file';
import { writeFileAtomic } from './replaceFile';
import { checkHeaderSize, frameHeader, isCountArray, isTexts, METADATA_KEY } from './safetensorsHeader';
import { bytesOf } from './storedFile';

const FILE_TYPES: Readonly<Record<DType, string>> = { float32: 'F32', int32: 'I32', uint8: 'U8' };

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
  if (!types.isMap(map)) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `saveSafetensors expects a Map of tensors by name but got ${formatValue(map)}.`);
  }
  if (!isTexts(metadata)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `saveSafetensors expects metadata to be an object of strings but got ${formatValue(metadata)}.`,
    );
  }
  const held = readHeld([...map.values()].flatMap((value) => storageOf(value) ?? []));
  const named = await Promise.all([...map].map(async ([name, value]) => [name, await snapshot(name, value, held)] as const));
  // Wide elements first, so that every tensor is aligned to its elements; then by name.
  named.sort(([a, x], [b, y]) => STORED_TYPES[y.type]!.bytes - STORED_TYPES[x.type]!.bytes || (a < b ? -1 : 1));

  const fields: string[] = [];
  let offset = 0;
  for (const [name, { type, shape, bytes }] of named) {
    const end = offset + bytes.byteLength;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: type, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const texts = Object.entries({ ...preprocessingMetadata(notedPreprocessing(map)), ...metadata }).sort(([a], [b]) => (a < b ? -1 : 1));
  const first =
    texts.length > 0
      ? [`${JSON.stringify(METADATA_KEY)}:{${texts.map((pair) => pair.map((text) => JSON.stringify(text)).join(':')).join(',')}}`]
      : [];
  const header = frameHeader(`{${[...first, ...fields].join(',')}}`);
  checkHeaderSize(fields, header.length);
  await writeFileAtomic(path, [header, ...named.map(([, { bytes }]) => bytes)], header.length + offset);
}

function storageOf(value: unknown): VariableStorage | undefined {
  return Tensor.is(value) && value.leaf?.kind === 'variable' ? value.leaf.storage : undefined;
}

/**
 * The value as it is now: live values of variables are copied, so that training may go on while the file is written.
 * @param held copies of those that a trainer has
 */
async function snapshot(name: unknown, value: Tensor | RawTensor, held: ReadonlyMap<VariableStorage, Float32Array>): Promise<StoredTensor> {
  if (typeof name !== 'string' || name === METADATA_KEY) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `saveSafetensors expects names other than "${METADATA_KEY}" that are strings but got ${formatValue(name)}.`,
    );
  }
  if (!Tensor.is(value)) return stored(name, checkRaw(name, value));
  const { shape, dtype } = value;
  const storage = storageOf(value);
  if (!storage) return stored(name, { shape, dtype, data: value.value ?? (await value.data()) });
  const data = held.get(storage) ?? storage.value();
  if (storage.isInteger) return { shape, type: 'I64', bytes: int64Bytes(data) };
  return stored(name, { shape, dtype, data: held.has(storage) ? data : data.slice() });
}

/** A tensor as its bytes in a file. */
interface StoredTensor {
  readonly shape: Shape;
  /** A key of STORED_TYPES. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

function stored(name: string, { shape, dtype, data }: RawTensor): StoredTensor {
  if (data.length === elementCount(shape)) return { shape, type: FILE_TYPES[dtype], bytes: bytesOf(data) };
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `saveSafetensors: ${formatValue(name)} of shape ${formatShape(shape)} expects ${elementCount(shape)} values but got ${data.length}` +
      `${data.length === 0 ? '; was its array transferred to another thread?' : '.'}`,
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
  const shape = readArray(given);
  if (typeof dtype !== 'string' || !Object.hasOwn(IS_ARRAY_OF, dtype) || !isCountArray(shape) || !IS_ARRAY_OF[dtype](data)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `saveSafetensors expects ${formatValue(name)} to be a Tensor or { shape, dtype, data } with the typed array of its dtype but got ${formatValue(value)}.`,
    );
  }
  return { shape, dtype, data: data! };
}
