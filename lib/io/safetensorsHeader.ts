/**
 * The header of a safetensors file: its length (uint64, little endian), then JSON that says of each tensor where in the data it lies.
 * Nothing of it is believed: what does not fit itself and the size of the file is refused, at a cost in proportion to its length.
 */

import { formatValue, StridenetError } from '../errors';
import { elementCount, type Shape } from '../graph/types';
import { STORED_TYPES, type StoredType } from './elementTypes';
import { readFully, type ReadableFile } from './file';
import { KIND_BYTES, kindOf } from './fileKind';
import { JsonFault, readJsonMembers } from './json';

/** Where a tensor lies, in bytes after the header. */
export interface Entry {
  readonly name: string;
  /** A key of STORED_TYPES. */
  readonly typeName: string;
  readonly type: StoredType;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In file order, one after the other without gaps. */
  readonly entries: readonly Entry[];
  /** Free text. */
  readonly metadata: Record<string, string>;
  /** The byte where the data begins. */
  readonly dataStart: number;
}

export const METADATA_KEY = '__metadata__';

/** The reference implementation's limit; a longer header is a damaged length field. */
const MAX_HEADER_BYTES = 100_000_000;
/** The header holds objects that hold arrays. Each tensor costs a kilobyte of memory; the largest models have a thousandth of these in a file. */
const LIMITS = { depth: 8, members: 1 << 18, memberBytes: 1 << 20 };
const MAX_RANK = 64;

/** @throws StridenetError ERR_BAD_FILE */
export async function readHeader(path: string, handle: ReadableFile, size: number): Promise<Header> {
  try {
    return await parseHeader(path, handle, size);
  } catch (error) {
    if (!(error instanceof StridenetError)) throw error;
    const kind = await findKind(handle, size);
    throw kind === undefined ? error : badFile(path, `it is ${kind}`, error);
  }
}

/** What the file is in truth, if that can be told; it may be of the right kind and damaged, too. */
async function findKind(handle: ReadableFile, size: number): Promise<string | undefined> {
  const start = new Uint8Array(Math.min(KIND_BYTES, size));
  if ((await readFully(handle, start, 0)) < start.length) return undefined;
  const kind = kindOf(start);
  return kind === 'a safetensors file' ? undefined : kind;
}

async function parseHeader(path: string, handle: ReadableFile, size: number): Promise<Header> {
  if (size < 8) throw badFile(path, `it has ${size} bytes and a header length alone takes 8`);
  const lengthField = Buffer.alloc(8);
  if ((await readFully(handle, lengthField, 0)) < 8) throw becameShorter(path);
  const declared = lengthField.readBigUInt64LE();
  if (declared > BigInt(MAX_HEADER_BYTES)) {
    throw badFile(path, `its header claims ${declared} bytes, over the format's limit of ${MAX_HEADER_BYTES}`);
  }
  const length = Number(declared);
  const dataStart = 8 + length;
  if (dataStart > size) throw badFile(path, `its header should end at byte ${dataStart} but the file has ${size} bytes: it is truncated`);
  const text = Buffer.alloc(length);
  if ((await readFully(handle, text, 8)) < length) throw becameShorter(path);
  const members = await readJsonMembers(text, LIMITS, METADATA_KEY).catch((error: unknown) => {
    throw error instanceof JsonFault ? badFile(path, `its header is damaged: ${error.message}`, error) : error;
  });

  const metadata = readMetadata(path, members.get(METADATA_KEY));
  members.delete(METADATA_KEY);
  const entries = [...members].map(([name, value]) => readEntry(path, name, value));
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

function readMetadata(path: string, value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isTexts(value)) throw badFile(path, `its ${METADATA_KEY} should be an object of strings`);
  return value;
}

function readEntry(path: string, name: string, value: unknown): Entry {
  const where = `tensor ${formatValue(name)}`;
  if (!isRecord(value)) throw badFile(path, `${where} should be described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(STORED_TYPES, dtype)) {
    throw badFile(path, `${where} has the element type ${asJson(dtype)}; the format has ${Object.keys(STORED_TYPES).join(', ')}`);
  }
  if (!isCountArray(shape) || shape.length > MAX_RANK) {
    throw badFile(path, `${where} has the shape ${asJson(shape)}; expected are at most ${MAX_RANK} integers of at least 0`);
  }
  if (!isIntegerArray(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw badFile(path, `${where} has data_offsets ${asJson(offsets)}; expected are [begin, end] with begin <= end`);
  }
  const type = STORED_TYPES[dtype]!;
  const [begin, end] = offsets as [number, number];
  const bytes = elementCount(shape) * type.bytes;
  if (bytes !== end - begin) {
    throw badFile(
      path,
      `${where} of type ${dtype} and shape ${asJson(shape)} should take ${bytes} bytes but its data_offsets span ${end - begin}`,
    );
  }
  return { name, typeName: dtype, type, shape: Object.freeze(shape), begin, end };
}

/** What stands in the file, not all of it when it is long. */
function asJson(value: unknown): string {
  if (value === undefined) return 'nothing';
  try {
    const text = JSON.stringify(value);
    return text.length <= 80 ? text : `${text.slice(0, 80)}...`;
  } catch {
    return 'a value nested too deep to be shown';
  }
}

/**
 * Whether a header will be read again. @param tensors its members but the metadata
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function checkHeaderSize(tensors: readonly string[], headerBytes: number): void {
  const longest = tensors.reduce((most, member) => Math.max(most, Buffer.byteLength(member)), 0);
  if (tensors.length < LIMITS.members && longest <= LIMITS.memberBytes && headerBytes <= MAX_HEADER_BYTES) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `saveSafetensors expects fewer than ${LIMITS.members} tensors, names of less than ${LIMITS.memberBytes} bytes, and names and metadata of ` +
      `${MAX_HEADER_BYTES} bytes in all, but got ${tensors.length} tensors, of which one takes ${longest} bytes, and ${headerBytes} bytes.`,
  );
}

/** The length field and the header, padded by spaces so that the data begins at a multiple of 8. */
export function frameHeader(json: string): Uint8Array {
  const text = Buffer.from(json, 'utf8');
  const length = Math.ceil(text.length / 8) * 8;
  const frame = Buffer.alloc(8 + length, ' ');
  frame.writeBigUInt64LE(BigInt(length));
  text.copy(frame, 8);
  return frame;
}

/** Whether a value is a plain object of strings. */
export function isTexts(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((v) => typeof v === 'string');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isIntegerArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((d) => Number.isSafeInteger(d) && d >= 0 && !Object.is(d, -0));
}

/** Integers of at least 0 whose product stays exact. */
export function isCountArray(value: unknown): value is number[] {
  return isIntegerArray(value) && Number.isSafeInteger(elementCount(value) * 8);
}

export function badFile(path: string, fault: string, cause?: unknown): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${formatValue(path)} is not a valid safetensors file: ${fault}.`, { cause });
}

export function becameShorter(path: string): StridenetError {
  return badFile(path, 'it became shorter while it was read');
}
