/**
 * Orders both lists so that memory is given back early. The order in which `lower` made the instructions is the base; three
 * things leave it, and every read and write of the same memory keeps its order, so results never change:
 *
 * - An update (an instruction that writes state), together with the instructions that only serve it, runs as soon as its inputs
 *   exist and every other reader of the old value has run: gradients die right after they were made.
 * - An instruction that reads nothing from the arena (packing, feeds), or computes again what was given up (recompute), runs just before
 *   its first reader.
 * - An instruction that frees more arena memory than it claims, or claims no more than a single number does, runs as soon as it can. Such is
 *   the guarded learning rate, which every update waits for.
 *
 * Barriers are native code's business.
 */

import { baseOf, byteLength, inArena, memoryKey, reads, writes } from './buffers';
import type { Buffer, Instruction, InstructionLists } from './ir';
import { inPieces, type Work } from '../work';

/** The size of a single number. */
const NUMBER_BYTES = 4;

export function* schedule(lists: InstructionLists): Work<InstructionLists> {
  return { ...lists, prepare: yield* scheduleList(lists.prepare), step: yield* scheduleList(lists.step) };
}

function* scheduleList(list: readonly Instruction[]): Work<Instruction[]> {
  const predecessors = orderings(list);
  yield;
  const readers = arenaReaders(list);
  yield;
  const lazy = findLazy(list, readers);
  yield;
  const units = findUnits(list, readers);
  yield;

  // What an instruction waits for: its predecessors, except that a lazy one stands for what it waits for itself.
  const waitsFor = list.map(() => new Set<number>());
  for (const [i, before] of predecessors.entries()) {
    for (const p of before) for (const q of lazy[p] ? waitsFor[p]! : [p]) waitsFor[i]!.add(q);
  }
  yield;
  const unblocks = list.map((): number[] => []);
  const waiting = waitsFor.map((set, i) => {
    for (const p of set) unblocks[p]!.push(i);
    return set.size;
  });
  // A unit is released when all that its members wait for outside of it has run.
  const unitWaiting = new Map<number, number>();
  const unitLeft = new Map<number, number>();
  const crosses = (p: number, i: number): boolean => units[i] !== undefined && units[i] !== units[p];
  for (const [i, unit] of units.entries()) {
    if (unit === undefined) continue;
    const outside = [...waitsFor[i]!].filter((p) => crosses(p, i)).length;
    unitWaiting.set(unit, (unitWaiting.get(unit) ?? 0) + outside);
    unitLeft.set(unit, (unitLeft.get(unit) ?? 0) + 1);
  }
  yield;

  const order: number[] = [];
  const emitted = new Array<boolean>(list.length).fill(false);
  const ready = new Ready(units, unitWaiting, unitLeft);
  const memory = new LiveMemory(list);
  yield;
  // Before the instruction itself run the lazy ones that it waits for, and those that these wait for. This is a loop
  // because such a chain may be deeper than the call stack.
  const emit = (i: number): void => {
    const stack = [{ i, rest: predecessors[i]!.values() }];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const before = top.rest.next();
      if (before.done) run(stack.pop()!.i);
      else if (!emitted[before.value]) stack.push({ i: before.value, rest: predecessors[before.value]!.values() });
    }
  };
  const run = (i: number): void => {
    emitted[i] = true;
    order.push(i);
    memory.run(i);
    const unit = units[i];
    if (unit !== undefined) unitLeft.set(unit, unitLeft.get(unit)! - 1);
    if (lazy[i]) return;
    ready.delete(i);
    for (const next of unblocks[i]!) {
      const remaining = --waiting[next]!;
      if (remaining === 0 && !lazy[next]) ready.add(next);
      if (!crosses(i, next)) continue;
      unitWaiting.set(units[next]!, unitWaiting.get(units[next]!)! - 1);
      ready.release(units[next]!);
    }
  };
  for (const [i, count] of waiting.entries()) if (count === 0 && !lazy[i]) ready.add(i);
  yield* inPieces(ready.all(memory), emit);
  for (const i of list.keys()) if (!emitted[i]) emit(i);
  return order.map((i) => list[i]!);
}

/**
 * The instructions that could run next: those that belong to no unit, and for each unit its own. Every list is
 * ascending.
 */
class Ready {
  private readonly single: number[] = [];
  private readonly members = new Map<number, number[]>();
  /** Units that wait for nothing outside and have a member here. There are few, since they run before all else. */
  private readonly released = new Set<number>();

  /**
   * @param units by instruction: its unit @param waiting by unit: what it still waits for outside
   * @param left by unit: its members that have not run
   */
  constructor(
    private readonly units: readonly (number | undefined)[],
    private readonly waiting: ReadonlyMap<number, number>,
    private readonly left: ReadonlyMap<number, number>,
  ) {}

  add(i: number): void {
    const unit = this.units[i];
    insert(this.listOf(unit), i);
    if (unit !== undefined) this.release(unit);
  }

  delete(i: number): void {
    const unit = this.units[i];
    const list = this.listOf(unit);
    const at = lowerBound(list, i);
    if (list[at] === i) list.splice(at, 1);
    if (unit === undefined || list.length > 0) return;
    this.members.delete(unit);
    this.released.delete(unit);
  }

  /** To be called when a unit may have stopped waiting. */
  release(unit: number): void {
    if (this.members.has(unit) && this.waiting.get(unit) === 0) this.released.add(unit);
  }

  /**
   * Yields instructions in the order in which `pick` chooses them. Each must be deleted before the next is asked for.
   */
  *all(memory: LiveMemory): Generator<number, void, void> {
    for (let i = this.pick(memory); i !== undefined; i = this.pick(memory)) yield i;
  }

  private pick(memory: LiveMemory): number | undefined {
    // The unit with the fewest members left comes first, so that units do not interleave.
    const unit = least(this.released, (a, b) => this.left.get(a)! - this.left.get(b)! || this.first(a) - this.first(b));
    if (unit !== undefined) return this.first(unit);
    if (this.single.length > 0) return this.single.find((i) => memory.growth(i) <= NUMBER_BYTES) ?? this.single[0];
    const held = least(this.members.keys(), (a, b) => this.first(a) - this.first(b));
    return held === undefined ? undefined : this.first(held);
  }

  private first(unit: number): number {
    return this.members.get(unit)![0]!;
  }

  private listOf(unit: number | undefined): number[] {
    if (unit === undefined) return this.single;
    let list = this.members.get(unit);
    if (!list) this.members.set(unit, (list = []));
    return list;
  }
}

function least(values: Iterable<number>, compare: (a: number, b: number) => number): number | undefined {
  let best: number | undefined;
  for (const value of values) if (best === undefined || compare(value, best) < 0) best = value;
  return best;
}

/** The first position of an ascending list whose value is not below `value`. */
function lowerBound(list: readonly number[], value: number): number {
  let low = 0;
  for (let high = list.length; low < high;) {
    const middle = (low + high) >> 1;
    if (list[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insert(list: number[], value: number): void {
  list.splice(lowerBound(list, value), 0, value);
}

/** By instruction: the earlier ones that must stay before it because they touch the same memory and one of the two writes. */
function orderings(list: readonly Instruction[]): Set<number>[] {
  const lastWrite = new Map<unknown, number>();
  const readsSince = new Map<unknown, number[]>();
  return list.map((instruction, i) => {
    const before = new Set<number>();
    for (const buffer of reads(instruction)) {
      const key = memoryKey(buffer);
      if (lastWrite.has(key)) before.add(lastWrite.get(key)!);
      const since = readsSince.get(key);
      if (since) since.push(i);
      else readsSince.set(key, [i]);
    }
    for (const buffer of writes(instruction)) {
      const key = memoryKey(buffer);
      if (lastWrite.has(key)) before.add(lastWrite.get(key)!);
      for (const reader of readsSince.get(key) ?? []) before.add(reader);
      lastWrite.set(key, i);
      readsSince.set(key, []);
    }
    before.delete(i);
    return before;
  });
}

/** By arena base buffer: the instructions that read it. */
function arenaReaders(list: readonly Instruction[]): Map<Buffer, Set<number>> {
  const readers = new Map<Buffer, Set<number>>();
  for (const [i, instruction] of list.entries()) {
    for (const buffer of reads(instruction).filter(inArena)) {
      const base = baseOf(buffer);
      readers.set(base, (readers.get(base) ?? new Set()).add(i));
    }
  }
  return readers;
}

/**
 * The lazy instructions, which run just before their first reader. They write arena memory from state, feeds and
 * constants, or from what another lazy instruction made for them alone; or they are marked as late.
 */
function findLazy(list: readonly Instruction[], readers: ReadonlyMap<Buffer, ReadonlySet<number>>): boolean[] {
  const madeLazily = new Set<Buffer>();
  return list.map((instruction) => {
    const outputs = writes(instruction);
    const lazy =
      outputs.every((b) => inArena(b) && readers.has(baseOf(b))) &&
      (instruction.late === true ||
        reads(instruction).every((b) => !inArena(b) || (madeLazily.has(baseOf(b)) && readers.get(baseOf(b))!.size === 1)));
    if (lazy && instruction.late !== true) for (const buffer of outputs) madeLazily.add(baseOf(buffer));
    return lazy;
  });
}

/**
 * For each instruction the index of the update that it is or that alone it serves, or undefined. An instruction that
 * makes the gradients of several updates, such as that of a weight with that of its bias, makes one unit of them; one
 * value that many updates read, such as the learning rate, does not.
 */
function findUnits(list: readonly Instruction[], readers: ReadonlyMap<Buffer, ReadonlySet<number>>): (number | undefined)[] {
  const units: (number | undefined)[] = list.map(() => undefined);
  const isUpdate = list.map((instruction) => writes(instruction).some((b) => baseOf(b).place.space === 'state'));
  // Where units were joined, each points to the one that it became part of.
  const parents = list.map((_, i) => i);
  const find = (unit: number): number => {
    let root = unit;
    while (parents[root] !== root) root = parents[root]!;
    for (let next = unit; next !== root;) [next, parents[next]] = [parents[next]!, root];
    return root;
  };
  for (let i = list.length - 1; i >= 0; i--) {
    if (isUpdate[i]) {
      units[i] = i;
      continue;
    }
    const outputs = writes(list[i]!);
    if (!outputs.every(inArena)) continue;
    const users = [...new Set(outputs.flatMap((b) => [...(readers.get(baseOf(b)) ?? [])]))];
    if (users.length === 1) {
      units[i] = units[users[0]!];
    } else if (outputs.length > 1 && users.length > 1 && users.every((user) => isUpdate[user])) {
      const unit = find(units[users[0]!]!);
      for (const user of users) parents[find(units[user]!)] = unit;
      units[i] = unit;
    }
  }
  return units.map((unit) => (unit === undefined ? undefined : find(unit)));
}

/** Which arena buffers are alive while the list is put in order. */
class LiveMemory {
  private readonly usesLeft = new Map<Buffer, number>();
  private readonly alive = new Set<Buffer>();
  private readonly touched: readonly (readonly Buffer[])[];

  constructor(list: readonly Instruction[]) {
    this.touched = list.map((instruction) => [
      ...new Set([...reads(instruction), ...writes(instruction)].filter(inArena).map((buffer) => baseOf(buffer))),
    ]);
    for (const bases of this.touched) for (const base of bases) this.usesLeft.set(base, (this.usesLeft.get(base) ?? 0) + 1);
  }

  /** Bytes alive after instruction i minus those alive before it. */
  growth(i: number): number {
    let bytes = 0;
    for (const base of this.touched[i]!) {
      const dies = this.usesLeft.get(base) === 1;
      if (this.alive.has(base) === dies) bytes += dies ? -byteLength(base) : byteLength(base);
    }
    return bytes;
  }

  run(i: number): void {
    for (const base of this.touched[i]!) {
      this.usesLeft.set(base, this.usesLeft.get(base)! - 1);
      if (this.usesLeft.get(base) === 0) this.alive.delete(base);
      else this.alive.add(base);
    }
  }
}
