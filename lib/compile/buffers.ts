/** Questions that scheduling, memory planning and encoding ask of buffers and instructions. */

import { BYTES_PER_ELEMENT, elementCount } from '../graph/types';
import type { Buffer, Instruction } from './ir';
import { OPCODES } from './opcodes';

/** The buffer that owns the memory. */
export function baseOf(buffer: Buffer): Buffer {
  return buffer.aliasOf ?? buffer;
}

export function byteLength(buffer: Buffer): number {
  return elementCount(buffer.shape) * BYTES_PER_ELEMENT[buffer.dtype];
}

/** Identity of the memory behind a buffer: two buffers are the same memory when their keys are equal. */
export function memoryKey(buffer: Buffer): unknown {
  const base = baseOf(buffer);
  switch (base.place.space) {
    case 'arena':
    case 'constant':
      return base.id;
    case 'state':
      return base.place.variable.leaf?.kind === 'variable' ? base.place.variable.leaf.storage : base.place.variable;
    case 'derived':
      return `derived ${base.place.key}`;
    default:
      return `${base.place.space} ${base.place.index}`;
  }
}

export function inArena(buffer: Buffer): boolean {
  return baseOf(buffer).place.space === 'arena';
}

/** The memory that an instruction reads: its inputs and the outputs that it updates. */
export function reads(instruction: Instruction): Buffer[] {
  const { outputs } = OPCODES[instruction.opcode];
  return [...instruction.inputs, ...instruction.outputs.filter((_, i) => outputs[i]?.updated)].filter((b) => b !== null);
}

/** The memory that an instruction writes. */
export function writes(instruction: Instruction): Buffer[] {
  return instruction.outputs.filter((b) => b !== null);
}

/** For each base buffer the instructions that read it, in their order. */
export type Readers = ReadonlyMap<Buffer, readonly Instruction[]>;

export function readersOf(list: readonly Instruction[]): Readers {
  const readers = new Map<Buffer, Instruction[]>();
  for (const instruction of list) {
    for (const base of new Set(reads(instruction).map(baseOf))) readers.set(base, [...(readers.get(base) ?? []), instruction]);
  }
  return readers;
}
