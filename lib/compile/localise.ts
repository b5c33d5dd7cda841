/**
 * Derived values that only the prepare list reads get temporary memory in the arena instead of a slot of the State.
 * Such a value lies between variables and what steps take: a weight that was scaled or transposed before it is packed.
 * One layer after the other then uses the same memory.
 */

import { baseOf, memoryKey, reads, writes } from './buffers';
import type { Buffer, Instruction, InstructionLists } from './ir';

export function localise(lists: InstructionLists): InstructionLists {
  if (lists.prepare.length === 0) return lists;
  const taken = new Set(lists.step.flatMap((instruction) => [...reads(instruction), ...writes(instruction)].map(memoryKey)));
  // Buffers with equal keys are the same memory, so they get the same temporary memory.
  const temporaries = new Map<unknown, Buffer>();
  const move = (buffer: Buffer | null): Buffer | null => {
    if (!buffer || baseOf(buffer).place.space !== 'derived') return buffer;
    const key = memoryKey(buffer);
    if (taken.has(key)) return buffer;
    let base = temporaries.get(key);
    if (!base) temporaries.set(key, (base = { ...baseOf(buffer), place: { space: 'arena' } }));
    return buffer.id === base.id ? base : { ...buffer, place: base.place, aliasOf: base };
  };
  const moveAll = (instruction: Instruction): Instruction => ({
    ...instruction,
    inputs: instruction.inputs.map(move),
    outputs: instruction.outputs.map(move),
  });
  return { ...lists, prepare: lists.prepare.map(moveAll) };
}
