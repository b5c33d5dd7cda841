/** Random instruction lists, and a machine that runs them on symbols to see whether scheduling and planning keep their meaning. */

import { VariableStorage } from '../../lib/graph/storage';
import { variableTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { baseOf, byteLength, memoryKey, reads, writes } from '../../lib/compile/buffers';
import type { Buffer, Instruction, InstructionLists, MemoryPlan, Place } from '../../lib/compile/ir';
import { OPCODES, type OpcodeName } from '../../lib/compile/opcodes';

/** Mulberry32: numbers in [0, 1) that depend on the seed alone. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Makes buffers with ids of their own. */
export class Buffers {
  private nextId = 0;

  make(shape: readonly number[], place: Place = { space: 'arena' }, options: { dtype?: Buffer['dtype']; name?: string } = {}): Buffer {
    const id = this.nextId++;
    return { id, dtype: options.dtype ?? 'float32', shape, name: options.name ?? `b${id}`, place };
  }

  alias(of: Buffer, shape: readonly number[]): Buffer {
    const base = baseOf(of);
    return { ...base, id: this.nextId++, shape, aliasOf: base, name: `${base.name}'` };
  }
}

/** An instruction with every attribute of ops.def; those not given are 0. */
export function instruction(
  opcode: OpcodeName,
  inputs: readonly (Buffer | null)[],
  outputs: readonly (Buffer | null)[],
  attrs: Record<string, number> = {},
  name = '',
): Instruction {
  const all = Object.fromEntries(OPCODES[opcode].attrs.map((attr) => [attr.name, attrs[attr.name] ?? 0]));
  return { opcode, inputs, outputs, attrs: all, name };
}

export function variable(shape: readonly number[], name = 'v'): Tensor {
  return variableTensor(new VariableStorage(shape, () => new Float32Array(shape.reduce((a, b) => a * b, 1))), name);
}

/** Lists with feeds, packs in both lists, aliases, shared gradients, updates and several fetches. */
export function randomLists(seed: number): InstructionLists {
  const random = randomNumbers(seed);
  const integer = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const choose = <T>(items: readonly T[]): T => items[integer(0, items.length - 1)]!;
  const buffers = new Buffers();
  const sizes = [1, 7, 16, 40, 40, 200, 1000];
  const newShape = (): number[] => [choose(sizes)];

  const feeds = Array.from({ length: integer(1, 2) }, (_, index) => buffers.make(newShape(), { space: 'feed', index }));
  const variables = Array.from({ length: integer(1, 5) }, (_, i) => variable(newShape(), `v${i}`));
  const states = variables.map((v) => buffers.make(v.shape, { space: 'state', variable: v }));
  const prepare: Instruction[] = [];
  const derived: Buffer[] = [];
  for (const [i, state] of states.entries()) {
    if (random() < 0.5) continue;
    const folded = buffers.make(state.shape);
    const packed = buffers.make([state.shape[0]! * 2], { space: 'derived', key: `d${i}` });
    prepare.push(instruction('unary', [state], [folded], {}, `fold${i}`), instruction('matmul_pack', [folded], [packed], {}, `pack${i}`));
    derived.push(packed);
  }

  const step: Instruction[] = [];
  const values: Buffer[] = feeds.map((feed, i) => {
    const value = buffers.make(feed.shape);
    step.push(instruction('feed', [feed, null, null], [value], {}, `feed${i}`));
    return value;
  });
  for (let i = 0, n = integer(3, 40); i < n; i++) {
    const roll = random();
    const x = choose(values);
    if (roll < 0.15) {
      values.push(buffers.alias(x, [1, x.shape.reduce((a, b) => a * b, 1)]));
    } else if (roll < 0.4) {
      const y = buffers.make([x.shape.reduce((a, b) => a * b, 1)]);
      step.push(instruction('unary', [x], [y], {}, `unary${i}`));
      values.push(y);
    } else if (roll < 0.7) {
      const y = buffers.make(random() < 0.5 ? x.shape : newShape());
      step.push(instruction('binary', [x, choose(values)], [y], {}, `binary${i}`));
      values.push(y);
    } else if (roll < 0.85) {
      const packed = random() < 0.5 && derived.length > 0 ? choose(derived) : buffers.make(newShape());
      if (packed.place.space === 'arena') step.push(instruction('matmul_pack', [choose(states)], [packed], {}, `stepPack${i}`));
      const y = buffers.make(newShape());
      step.push(instruction('matmul', [x, packed, random() < 0.5 ? choose(states) : null, null], [y], {}, `matmul${i}`));
      values.push(y);
    } else {
      const [y, z] = [buffers.make(newShape()), buffers.make(newShape())];
      step.push(instruction('matmul_at_b', [x, choose(values)], [y, z], {}, `both${i}`));
      values.push(y, z);
    }
  }
  // Gradients and updates come last, as a reverse walk that starts at the updates would leave them.
  const shuffled = states.filter(() => random() < 0.8);
  const updates: Instruction[] = [];
  for (const [i, state] of shuffled.entries()) {
    const [gradient, scaled] = [buffers.make(state.shape), buffers.make(state.shape)];
    step.push(instruction('matmul_at_b', [choose(values), choose(values)], [gradient, null], {}, `gradient${i}`));
    step.push(instruction('binary', [gradient, state], [scaled], {}, `decay${i}`));
    updates.push(instruction('sgd', [scaled, feeds[0]!, null], [state, null], {}, `sgd${i}`));
  }
  const fetches = Array.from({ length: integer(1, 3) }, (_, index) => {
    const x = choose(values);
    const fetch = buffers.make([x.shape.reduce((a, b) => a * b, 1)], { space: 'fetch', index });
    step.push(instruction('unary', [x], [fetch], {}, `fetch${index}`));
    return fetch;
  });
  return { prepare, step: [...step, ...updates], feeds, fetches };
}

/**
 * What the lists leave behind: state, derived and fetched memory as texts that tell how each was computed. With a memory plan, arena
 * memory is a row of lines in which buffers overwrite each other; reading a line that another buffer has overwritten shows.
 */
export function runOnSymbols(lists: InstructionLists, memoryPlan?: MemoryPlan): Map<unknown, string> {
  const memory = new Map<unknown, string>();
  const arena: string[] = [];
  const lines = (buffer: Buffer): number[] => {
    const offset = memoryPlan!.offsets.get(baseOf(buffer).id)!;
    return Array.from({ length: Math.ceil(byteLength(buffer) / 64) }, (_, i) => offset + i);
  };
  const isPlaced = (buffer: Buffer): boolean => memoryPlan !== undefined && baseOf(buffer).place.space === 'arena';
  const read = (buffer: Buffer | null): string => {
    if (!buffer) return '-';
    if (!isPlaced(buffer)) return memory.get(memoryKey(buffer)) ?? `initial ${String(describe(buffer))}`;
    const found = new Set(lines(buffer).map((line) => arena[line] ?? 'nothing'));
    return [...found].join(' mixed with ');
  };
  const digests = new Map<string, string>();
  const digest = (text: string): string => {
    if (!digests.has(text)) digests.set(text, `#${hash(text)}`);
    return digests.get(text)!;
  };
  for (const each of [...lists.prepare, ...lists.step]) {
    const values = [...each.inputs.map(read), ...each.outputs.map((b, i) => (OPCODES[each.opcode].outputs[i]!.updated ? read(b) : ''))];
    for (const [i, output] of each.outputs.entries()) {
      if (!output) continue;
      const value = digest(`${each.name}.${i}(${values.join(', ')})`);
      if (isPlaced(output)) for (const line of lines(output)) arena[line] = value;
      else memory.set(memoryKey(output), value);
    }
  }
  return new Map([...memory].filter(([key]) => typeof key !== 'number'));
}

function describe(buffer: Buffer): string {
  const { place } = baseOf(buffer);
  return place.space === 'state' ? place.variable.name : `${place.space} ${'index' in place ? place.index : buffer.id}`;
}

function hash(text: string): string {
  let [a, b] = [2166136261, 5381];
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 16777619);
    b = (Math.imul(b, 33) + text.charCodeAt(i)) | 0;
  }
  return `${(a >>> 0).toString(36)}${(b >>> 0).toString(36)}`;
}

/** The arena bytes alive during each instruction, in lines. */
export function liveLines(lists: InstructionLists): number[] {
  const all = [...lists.prepare, ...lists.step];
  const touched = all.map((each) => new Set([...reads(each), ...writes(each)].map(baseOf).filter((b) => b.place.space === 'arena')));
  const last = new Map<Buffer, number>();
  const first = new Map<Buffer, number>();
  for (const [i, set] of touched.entries()) {
    for (const b of set) {
      if (!first.has(b)) first.set(b, i);
      last.set(b, i);
    }
  }
  return all.map((_, i) =>
    [...first.keys()].filter((b) => first.get(b)! <= i && i <= last.get(b)!).reduce((sum, b) => sum + Math.ceil(byteLength(b) / 64), 0),
  );
}
