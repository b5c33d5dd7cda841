/**
 * Safetensors files: named tensors behind a JSON header, without code in them (https://huggingface.co/docs/safetensors). This file reads
 * them: float32, int32 and uint8 as they are, most other types as one of these.
 */

import { formatValue, StridenetError } from '../errors';
import { constantTensor, lazyTensor } from '../graph/leaves';
import { notePreprocessing, preprocessingFromMetadata } from '../graph/preprocess';
import type { Tensor } from '../graph/tensor';
import type { TypedArray } from '../graph/types';
import { STORED_TYPES, type RawTensor, type ReadableType } from './elementTypes';
import { checkPath, fileError, openToKeep, readFully, type Descriptor } from './file';
import { becameShorter, readHeader, type Entry, type Header } from './safetensorsHeader';
import { allocate, bytesOf, misfit, StoredFile, StoredNumbers } from './storedFile';

export { saveSafetensors } from './saveSafetensors';

/** What a file holds: the tensors and the free text beside them. */
export interface SafetensorsContents {
  readonly tensors: Map<string, RawTensor>;
  readonly metadata: Record<string, string>;
}

/** Converted types pass through a buffer of this many bytes, so that a tensor never lies in memory twice. */
const CONVERT_BYTES = 1 << 20;
/** Neighbours in a file are read together up to this many bytes: a call takes as long as copying some tens of KiB. */
const RUN_BYTES = 1 << 18;
/** For the same reason smaller values, such as batch normalisation checks, are kept in memory even if they stay in the file. */
const KNOWN_BYTES = 1 << 14;
/** Runs on their way at a time: copying out of the page cache keeps more than one core busy. */
const READERS = 4;

/** Places watched for changes: as many of the largest tensors, as many spread over the file, and small tensors that are read anyway. */
const WATCHED = 8;
const MOST_KNOWN = 48;

/**
 * Reads named tensors: float16, bfloat16, float64 and the eight-bit floats become float32, integers of other lengths int32, booleans uint8.
 * A tensor of a type that becomes none of these (complex numbers, floats of four and six bits), or of integers that do not fit int32, fails
 * when its value is asked for; the others are not touched by it. A tensor without elements can be read and saved, and nothing else.
 *
 * Values of a large file stay there until they are needed, and models that load them read them from it: the file is kept
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
  return withFile(path, async (opened, keep) => {
    const { entries, metadata, dataStart } = opened.header;
    const preprocess = preprocessingFromMetadata(path, metadata);
    const file = keep();
    const inMemory = entries.filter((entry) => isReadable(entry) && (!file || entry.end - entry.begin < KNOWN_BYTES));
    const read = await readTensors(opened, inMemory);
    await file?.watch(watchedPlaces(opened.header), knownSamples(dataStart, inMemory, read));
    const tensorOf = (entry: Entry): Tensor => {
      if (!isReadable(entry)) return lazyTensor(entry.shape, 'uint8', () => refuseType(path, entry));
      const { name, type, shape, begin } = entry;
      const found = read.get(name);
      if (found instanceof StridenetError) {
        return lazyTensor(shape, type.dtype, () => {
          throw found;
        });
      }
      if (!file) return constantTensor(found!.data, shape, type.dtype);
      const numbers = new StoredNumbers(file, { name, type, shape, offset: dataStart + begin }, found?.data);
      return lazyTensor(
        shape,
        type.dtype,
        () => numbers.read(),
        type.dtype === 'float32' ? (numbers as StoredNumbers<Float32Array>) : undefined,
      );
    };
    const tensors = new Map(entries.map((entry) => [entry.name, tensorOf(entry)]));
    return { tensors: notePreprocessing(tensors, () => preprocess), metadata };
  });
}

/** Reads only the free text of a file. @throws StridenetError as `loadSafetensors` */
export async function readSafetensorsMetadata(path: string): Promise<Record<string, string>> {
  return withFile(path, ({ header }) => Promise.resolve(header.metadata));
}

/** Reads all tensors into memory, and free text. @throws StridenetError as `loadSafetensors`; ERR_BAD_FILE for a tensor that cannot be read */
export async function readSafetensors(path: string): Promise<SafetensorsContents> {
  return withFile(path, async (opened) => {
    for (const entry of opened.header.entries) if (!isReadable(entry)) refuseType(path, entry);
    const tensors = new Map<string, RawTensor>();
    for (const [name, tensor] of await readTensors(opened, opened.header.entries)) {
      if (tensor instanceof StridenetError) throw tensor;
      tensors.set(name, tensor);
    }
    return { tensors, metadata: opened.header.metadata };
  });
}

/** An entry whose elements become those of a tensor. */
type ReadableEntry = Entry & { readonly type: ReadableType };

function isReadable(entry: Entry): entry is ReadableEntry {
  return entry.type.dtype !== undefined;
}

function refuseType(path: string, { name, typeName }: Entry): never {
  const readable = Object.keys(STORED_TYPES).filter((key) => STORED_TYPES[key]!.dtype);
  throw new StridenetError(
    'ERR_BAD_FILE',
    `Tensor ${formatValue(name)} of ${formatValue(path)} has elements of type ${typeName}, which cannot be read here; those of type ` +
      `${readable.join(', ')} can. Convert it before it is saved.`,
  );
}

/** A file that is open, behind its header. */
interface OpenFile {
  readonly path: string;
  readonly handle: Descriptor;
  readonly header: Header;
}

/** Opens a file for `read`, which may `keep` it open (see StoredFile); closes it afterwards unless it did. */
async function withFile<T>(path: string, read: (file: OpenFile, keep: () => StoredFile | undefined) => Promise<T>): Promise<T> {
  checkPath('loadSafetensors', path);
  let handle: Descriptor | undefined;
  let kept: StoredFile | undefined;
  try {
    const { handle: opened, size } = await openToKeep(path);
    handle = opened;
    const header = await readHeader(path, opened, size);
    return await read({ path, handle, header }, () => (kept = StoredFile.keep(path, opened, size)));
  } catch (error) {
    throw fileError('read', path, error);
  } finally {
    if (!kept) await handle?.close();
  }
}

/** Places in the file whose bytes tell whether it is still the same: in the middle of the largest tensors, and here and there. */
function watchedPlaces({ entries, dataStart }: Header): number[] {
  const largest = [...entries].sort((a, b) => b.end - b.begin - (a.end - a.begin)).slice(0, WATCHED);
  const total = entries.at(-1)?.end ?? 0;
  const spread = Array.from({ length: WATCHED }, (_, i) => Math.floor((i * total) / WATCHED));
  return [...largest.map(({ begin, end }) => Math.floor((begin + end) / 2)), ...spread].map((place) => dataStart + place);
}

/** The beginning of some small tensors, evenly chosen from those that were read as they are. */
function knownSamples(
  dataStart: number,
  entries: readonly Entry[],
  read: ReadonlyMap<string, RawTensor | StridenetError>,
): [place: number, bytes: Uint8Array][] {
  const known = entries.filter(({ type, begin, end }) => !type.convert && end > begin);
  const step = Math.max(1, Math.ceil(known.length / MOST_KNOWN));
  return known.filter((_, i) => i % step === 0).map(({ name, begin }) => [dataStart + begin, bytesOf((read.get(name) as RawTensor).data)]);
}

/** A tensor, or why it cannot be one. @param entries in file order */
async function readTensors(file: OpenFile, entries: readonly Entry[]): Promise<Map<string, RawTensor | StridenetError>> {
  const runs = findRuns(entries.filter(isReadable));
  const loaded = new Array<readonly (RawTensor | StridenetError)[]>(runs.length);
  let next = 0;
  const reader = async (): Promise<void> => {
    while (next < runs.length) {
      const i = next++;
      loaded[i] = await readRun(file, runs[i]!);
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return new Map(runs.flatMap((run, i) => run.map(({ name }, k) => [name, loaded[i]![k]!] as const)));
}

/** Entries that follow each other without a gap, as many as may be read together. */
function findRuns(entries: readonly ReadableEntry[]): ReadableEntry[][] {
  const runs: ReadableEntry[][] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    if (run && run.at(-1)!.end === entry.begin && entry.end - run[0]!.begin <= RUN_BYTES) run.push(entry);
    else runs.push([entry]);
  }
  return runs;
}

async function readRun(file: OpenFile, run: readonly ReadableEntry[]): Promise<(RawTensor | StridenetError)[]> {
  if (run.length === 1) return [await readTensor(file, run[0]!)];
  const { begin } = run[0]!;
  const bytes = new Uint8Array(run.at(-1)!.end - begin);
  await fill(file, bytes, begin);
  return run.map((entry) => {
    const data = allocate(file.path, entry.name, entry.type.dtype, entry.shape);
    const stored = bytes.subarray(entry.begin - begin, entry.end - begin);
    if (!entry.type.convert) bytesOf(data).set(stored);
    return convertPart(file.path, entry, stored, data, 0) ?? { shape: entry.shape, dtype: entry.type.dtype, data };
  });
}

async function readTensor(file: OpenFile, entry: ReadableEntry): Promise<RawTensor | StridenetError> {
  const { type, shape, begin, end } = entry;
  const data = allocate(file.path, entry.name, entry.type.dtype, entry.shape);
  if (!type.convert) {
    await fill(file, bytesOf(data), begin);
    return { shape, dtype: type.dtype, data };
  }
  const buffer = new Uint8Array(Math.min(CONVERT_BYTES, end - begin));
  for (let position = begin; position < end; position += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, end - position));
    await fill(file, chunk, position);
    const bad = convertPart(file.path, entry, chunk, data, (position - begin) / type.bytes);
    if (bad) return bad;
  }
  return { shape, dtype: type.dtype, data };
}

/** @param position in the data */
async function fill({ path, handle, header }: OpenFile, target: Uint8Array, position: number): Promise<void> {
  if ((await readFully(handle, target, header.dataStart + position)) < target.length) throw becameShorter(path);
}

/** Stored elements to those of `data` from `at` on, if they have to be converted; the error of one that does not fit. */
function convertPart(path: string, entry: ReadableEntry, stored: Uint8Array, data: TypedArray, at: number): StridenetError | undefined {
  const bad = entry.type.convert?.(stored, data, at);
  return bad === undefined ? undefined : misfit(path, entry.name, bad, entry.type.dtype);
}
