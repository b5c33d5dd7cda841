/**
 * Gives every arena buffer its place: lifetimes over the prepare list followed by the step list, then offsets, largest block
 * first at the lowest free place. An output may take over the memory of an input that dies there (in place). Offsets count
 * 64-byte lines. Scratch is native code's business.
 */

import { StridenetError } from '../errors';
import { atOnce, inPieces, type Work } from '../work';
import { baseOf, byteLength, inArena, reads, writes } from './buffers';
import type { Buffer, Instruction, InstructionLists, MemoryPlan } from './ir';
import { OPCODES } from './opcodes';

export const LINE_BYTES = 64;
/** Offsets are Int32 words, and arithmetic on them must not overflow. */
const MAX_LINES = 2 ** 31 - 2 ** 20;

export interface MemoryOptions {
  /** false: every buffer has memory of its own (STRIDENET_PLAN=off), to tell planning errors from others. Default true. */
  readonly sharesMemory?: boolean | undefined;
  /** false: no output takes over the memory of an input. Default true. */
  readonly inPlace?: boolean | undefined;
}

/** First and last instruction that touches a buffer, counted over prepare then step. */
export interface Lifetime {
  readonly first: number;
  readonly last: number;
}

/** Lifetimes of the arena buffers (bases, not aliases). */
export function lifetimes(lists: InstructionLists): Map<Buffer, Lifetime> {
  return atOnce(findingLifetimes(lists));
}

function* findingLifetimes(lists: InstructionLists): Work<Map<Buffer, Lifetime>> {
  const result = new Map<Buffer, Lifetime>();
  yield* inPieces([...lists.prepare, ...lists.step], (instruction, i) => {
    for (const buffer of [...reads(instruction), ...writes(instruction)]) {
      if (inArena(buffer)) result.set(baseOf(buffer), { first: result.get(baseOf(buffer))?.first ?? i, last: i });
    }
  });
  return result;
}

/** One buffer, or several that use the same memory one after the other. */
interface Block {
  readonly buffers: Buffer[];
  readonly lines: number;
  readonly first: number;
  last: number;
}

/** @throws StridenetError ERR_OUT_OF_MEMORY when it is more than a program can address */
export function planMemory(lists: InstructionLists, options: MemoryOptions = {}): MemoryPlan {
  return atOnce(planningMemory(lists, options));
}

/** The same in pieces. */
export function* planningMemory(lists: InstructionLists, options: MemoryOptions = {}): Work<MemoryPlan> {
  const { sharesMemory: reuse = true, inPlace = true } = options;
  const blocks = yield* makeBlocks(lists, reuse && inPlace);
  const offsets = new Map<number, number>();
  let arenaLines = 0;
  const placed = new Placed();
  blocks.sort((a, b) => b.lines - a.lines || a.first - b.first);
  yield* inPieces(blocks, (block) => {
    const offset = placed.put(block, reuse);
    for (const buffer of block.buffers) offsets.set(buffer.id, offset);
    arenaLines = Math.max(arenaLines, offset + block.lines);
  });
  if (arenaLines > MAX_LINES) {
    const gigabytes = ((arenaLines * LINE_BYTES) / 2 ** 30).toFixed(1);
    throw new StridenetError(
      'ERR_OUT_OF_MEMORY',
      `One run needs ${gigabytes} GiB of temporaries; the limit is 127 GiB. Use a smaller batch.`,
    );
  }
  return { arenaLines, offsets };
}

/**
 * The blocks that have a place, sorted by offset. Kept as plain columns of numbers for speed: every block is compared
 * with all before it.
 */
class Placed {
  private readonly offsets: number[] = [];
  private readonly ends: number[] = [];
  private readonly firsts: number[] = [];
  private readonly lasts: number[] = [];

  /** The lowest offset that is free while the block is alive, or without `reuse` at any time. */
  put({ lines, first, last }: Block, reuse: boolean): number {
    const { offsets, ends, firsts, lasts } = this;
    let offset = 0;
    for (let k = 0; k < offsets.length; k++) {
      if (reuse && (lasts[k]! < first || last < firsts[k]!)) continue;
      if (offset + lines <= offsets[k]!) break;
      if (ends[k]! > offset) offset = ends[k]!;
    }
    let at = offsets.length;
    while (at > 0 && offsets[at - 1]! > offset) at--;
    offsets.splice(at, 0, offset);
    ends.splice(at, 0, offset + lines);
    firsts.splice(at, 0, first);
    lasts.splice(at, 0, last);
    return offset;
  }
}

function* makeBlocks(lists: InstructionLists, inPlace: boolean): Work<Block[]> {
  const lives = yield* findingLifetimes(lists);
  const blocks = new Map<Buffer, Block>();
  yield* inPieces([...lists.prepare, ...lists.step], (instruction, i) => {
    for (const [index, output] of instruction.outputs.entries()) {
      if (!output || !inArena(output) || blocks.has(baseOf(output))) continue;
      const base = baseOf(output);
      const { first, last } = lives.get(base)!;
      const source = inPlace && index === 0 ? dyingInput(instruction, i, lives) : undefined;
      const block = source && first === i && source.dtype === base.dtype && byteLength(source) === byteLength(base) && blocks.get(source);
      if (block) {
        block.buffers.push(base);
        block.last = last;
        blocks.set(base, block);
      } else {
        blocks.set(base, { buffers: [base], lines: Math.ceil(byteLength(base) / LINE_BYTES), first, last });
      }
    }
  });
  for (const [base, life] of lives) {
    if (!blocks.has(base)) throw new Error(`internal: "${base.name}" is read by instruction ${life.first} but nothing writes it`);
  }
  return [...new Set(blocks.values())];
}

/** The arena buffer behind the in-place input if instruction i is the last to use it and uses it through this operand alone. */
function dyingInput(instruction: Instruction, i: number, lives: ReadonlyMap<Buffer, Lifetime>): Buffer | undefined {
  const index = OPCODES[instruction.opcode].inPlaceInput;
  const input = index === undefined ? undefined : instruction.inputs[index];
  if (!input || !inArena(input)) return undefined;
  const base = baseOf(input);
  const uses = [...instruction.inputs, ...instruction.outputs].filter((b) => b && baseOf(b) === base).length;
  return uses === 1 && lives.get(base)!.last === i && byteLength(input) === byteLength(base) ? base : undefined;
}
