/**
 * Writes instruction lists and a memory plan down as a Program: the words that native/program/program.h describes. Checks every
 * instruction against ops.def on the way; what it finds is a defect of the compiler, not a mistake of the user.
 */

import { formatShape, StridenetError } from '../errors';
import { elementCount } from '../graph/types';
import type { Tensor } from '../graph/tensor';
import { atOnce, inPieces, type Work } from '../work';
import { baseOf, byteLength, memoryKey } from './buffers';
import type { Buffer, Instruction, InstructionLists, MemoryPlan, Program, SlotRequest } from './ir';
import { DTYPE, OPCODES, OPS_HASH, SPACE, type OpcodeName } from './opcodes';

export const PROGRAM_MAGIC = 0x31504e53;
export const HEADER_WORDS = 16;
export const TENSOR_WORDS = 12;
/** Position of the offset within a tensor's words. */
export const OFFSET_WORD = 2;
export const MAX_RANK = 6;

export function encode(lists: InstructionLists, memoryPlan: MemoryPlan): Program {
  return atOnce(encoding(lists, memoryPlan));
}

/** The same, done piece by piece. */
export function* encoding(lists: InstructionLists, memoryPlan: MemoryPlan): Work<Program> {
  const tensors = new TensorTable(memoryPlan);
  // Feeds and fetches come first, so that entry i is feed i in its own shape.
  for (const [i, feed] of lists.feeds.entries()) tensors.addExternal(feed, 'feed', i);
  for (const [i, fetch] of lists.fetches.entries()) tensors.addExternal(fetch, 'fetch', i);

  const code: number[] = [];
  yield* inPieces([...lists.prepare, ...lists.step], (instruction) => code.push(...encodeInstruction(instruction, tensors)));
  const total = HEADER_WORDS + tensors.count * TENSOR_WORDS + code.length + tensors.constantWords;
  const words = new Int32Array(total);
  words.set([
    PROGRAM_MAGIC,
    OPS_HASH | 0,
    total,
    memoryPlan.arenaLines,
    tensors.count,
    lists.prepare.length,
    lists.step.length,
    tensors.constantWords,
    lists.feeds.length,
    lists.fetches.length,
  ]);
  words.set(tensors.words, HEADER_WORDS);
  words.set(code, HEADER_WORDS + tensors.words.length);
  let at = total - tensors.constantWords;
  for (const data of tensors.constants) {
    words.set(new Int32Array(data.buffer, data.byteOffset, data.length), at);
    at += data.length;
  }
  yield;
  return {
    words,
    slots: tensors.slots,
    slotWords: tensors.slotWords,
    feeds: lists.feeds,
    fetches: lists.fetches,
    updates: updatedVariables(lists),
    lists,
    memoryPlan,
  };
}

function updatedVariables(lists: InstructionLists): Tensor[] {
  const updates = new Set<Tensor>();
  for (const instruction of lists.step) {
    for (const output of instruction.outputs) {
      const place = output && baseOf(output).place;
      if (place?.space === 'state') updates.add(place.variable);
    }
  }
  return [...updates];
}

/** The largest extent that a word of a Program holds, and the largest value that one array can hold. */
const MOST_ON_AN_AXIS = 2 ** 31 - 1;
const MOST_FETCH_BYTES = 2 ** 32;

/** @throws StridenetError ERR_OUT_OF_MEMORY for a value that a Program cannot describe or hand out */
function checkSize(buffer: Buffer): void {
  const { shape, name, place } = buffer;
  const what = name ? `"${name}"` : 'A value';
  // Only the summary of a model meets packed weights that large: to make them, memory would run out first.
  if (place.space !== 'derived' && shape.some((extent) => extent > MOST_ON_AN_AXIS)) {
    throw new StridenetError(
      'ERR_OUT_OF_MEMORY',
      `${what} of shape ${formatShape(shape)} is too large: an axis has at most ${MOST_ON_AN_AXIS} values.`,
    );
  }
  if (place.space !== 'fetch' || byteLength(buffer) <= MOST_FETCH_BYTES) return;
  const gib = (byteLength(buffer) / 2 ** 30).toFixed(1);
  throw new StridenetError(
    'ERR_OUT_OF_MEMORY',
    `A result of shape ${formatShape(shape)} is too large: it has ${gib} GiB and at most 4 GiB can be handed out at once.`,
  );
}

/** Tensor entries without duplicates, constants and state slots in order of first use. */
class TensorTable {
  readonly words: number[] = [];
  readonly constants: (Float32Array | Int32Array)[] = [];
  constantWords = 0;
  readonly slots: SlotRequest[] = [];
  readonly slotWords: number[] = [];
  private readonly entries = new Map<string, number>();
  private readonly known = new Map<Buffer, number>();
  private readonly constantOffsets = new Map<number, number>();
  private readonly slotNumbers = new Map<unknown, number>();

  constructor(private readonly memoryPlan: MemoryPlan) {}

  get count(): number {
    return this.words.length / TENSOR_WORDS;
  }

  addExternal(buffer: Buffer, space: 'feed' | 'fetch', index: number): void {
    const { place } = buffer;
    if (place.space !== space || place.index !== index || buffer.aliasOf) defect(`${space} ${index} is not the buffer "${buffer.name}"`);
    this.add(buffer);
  }

  /** The index of a buffer's entry. */
  add(buffer: Buffer): number {
    let index = this.known.get(buffer);
    if (index === undefined) this.known.set(buffer, (index = this.enter(buffer)));
    return index;
  }

  private enter(buffer: Buffer): number {
    const { dtype, shape } = buffer;
    if (shape.length > MAX_RANK) defect(`"${buffer.name}" has rank ${shape.length}; the largest is ${MAX_RANK}`);
    if (elementCount(shape) < 1) defect(`"${buffer.name}" is empty`);
    const base = baseOf(buffer);
    checkSize(buffer);
    if (byteLength(base) !== byteLength(buffer)) defect(`"${buffer.name}" and "${base.name}", whose memory it is, differ in bytes`);
    const offset = this.offset(base);
    const space = base.place.space === 'derived' ? SPACE.state : SPACE[base.place.space];
    const entry = [DTYPE[dtype], space, offset, shape.length, ...shape, ...new Array<number>(MAX_RANK - shape.length).fill(1), 0, 0];
    const key = entry.join();
    let index = this.entries.get(key);
    if (index === undefined) {
      index = this.count;
      this.entries.set(key, index);
      if (space === SPACE.state) this.slotWords.push(HEADER_WORDS + this.words.length + OFFSET_WORD);
      this.words.push(...entry);
    }
    return index;
  }

  private offset(base: Buffer): number {
    const { place } = base;
    switch (place.space) {
      case 'arena':
        return this.memoryPlan.offsets.get(base.id) ?? defect(`"${base.name}" has no place in the arena`);
      case 'constant':
        if (base.dtype === 'uint8') defect(`the constant "${base.name}" is of type uint8`);
        return this.constantOffset(base.id, place.data, elementCount(base.shape));
      case 'feed':
      case 'fetch':
        return place.index;
      case 'state':
        return this.slot(base, place.variable);
      case 'derived':
        return this.slot(base, place.key);
    }
  }

  private constantOffset(id: number, data: Float32Array | Int32Array, length: number): number {
    const known = this.constantOffsets.get(id);
    if (known !== undefined) return known;
    if (data.length !== length) defect(`a constant of ${length} elements comes with ${data.length}`);
    const offset = this.constantWords;
    this.constants.push(data);
    this.constantWords += data.length;
    this.constantOffsets.set(id, offset);
    return offset;
  }

  private slot(base: Buffer, key: Tensor | string): number {
    const number = this.slotNumbers.get(memoryKey(base));
    if (number !== undefined) return number;
    this.slotNumbers.set(memoryKey(base), this.slots.length);
    return this.slots.push({ key, dtype: base.dtype, shape: base.shape }) - 1;
  }
}

function encodeInstruction(instruction: Instruction, tensors: TensorTable): number[] {
  const { code, inputs, outputs, attrs } = OPCODES[instruction.opcode];
  const where = `${instruction.opcode} "${instruction.name}"`;
  const operands = [...instruction.inputs, ...instruction.outputs];
  if (instruction.inputs.length !== inputs.length || instruction.outputs.length !== outputs.length) {
    const given = `${instruction.inputs.length} and ${instruction.outputs.length}`;
    defect(`${where} expects ${inputs.length} inputs and ${outputs.length} outputs but has ${given}`);
  }
  const operandWords = [...inputs, ...outputs].map(({ name, optional }, i) => {
    const buffer = operands[i];
    if (!buffer && !optional) defect(`${where} lacks its operand ${name}`);
    return buffer ? tensors.add(buffer) : -1;
  });
  for (const output of instruction.outputs) {
    const space = output && baseOf(output).place.space;
    if (space === 'constant' || space === 'feed') defect(`${where} writes "${output!.name}", a ${space}`);
  }
  return [code, operandWords.length, attrs.length, ...operandWords, ...encodeAttrs(where, instruction.opcode, instruction.attrs)];
}

/** The attribute words of an instruction in the order of ops.def. `where` names the instruction in errors. */
export function encodeAttrs(where: string, opcode: OpcodeName, values: Readonly<Record<string, number>>): number[] {
  const { attrs } = OPCODES[opcode];
  for (const name of Object.keys(values)) {
    if (!attrs.some((attr) => attr.name === name)) defect(`${where} has no attribute ${name}`);
  }
  return attrs.map(({ name, float }) => {
    const value = values[name];
    if (typeof value !== 'number' || (!float && value !== (value | 0))) {
      defect(`${where} expects attribute ${name} to be ${float ? 'a number' : 'an int32'} but it is ${value}`);
    }
    return float ? floatBits(value) : value;
  });
}

const cast = new DataView(new ArrayBuffer(4));

/** The bits of the nearest float32 as an int32. */
export function floatBits(value: number): number {
  cast.setFloat32(0, value);
  return cast.getInt32(0);
}

/** The inverse of floatBits. */
export function floatFromBits(word: number): number {
  cast.setInt32(0, word);
  return cast.getFloat32(0);
}

function defect(message: string): never {
  throw new StridenetError('ERR_PROGRAM_INVALID', `Internal error in the compiler: ${message}.`);
}
