/**
 * Makes max pooling a part of the convolution before it, where that keeps images in the lanes (algorithm hwcn) and
 * windows lie side by side:
 *
 *   max_pool2d(conv2d(x))                                ->  conv2d_max_pool2d(x)
 *   conv2d_grad_weight(x, max_pool2d_grad(conv2d(x), dy))  ->  conv2d_max_pool2d_grad_weight(x, dy, position)
 *
 * The convolution's result, the largest value of a small network, then never reaches memory, and neither does its
 * gradient. It is done only where nothing else reads them. Unlike `fuse`, which makes one node of several, this makes
 * one instruction of several: only when convolutions are lowered is it known which algorithm they take.
 */

import { baseOf, inArena, reads, readersOf, writes, type Readers } from './buffers';
import type { Buffer, Instruction, InstructionLists, NativeQueries } from './ir';
import { ACTIVATION, ALGORITHM } from './opcodes';

const WINDOW = ['kh', 'kw', 'sh', 'sw', 'pt', 'pl', 'dh', 'dw'] as const;
const GEOMETRY = [...WINDOW, 'groups'] as const;
/** Positions of maxima are stored for so many images at a time: see conv2d_max_pool2d in ops.def. */
const IMAGE_BLOCK = 16;

/** A gradient of pooling and the weight gradient that alone reads it. */
interface Backward {
  readonly poolGrad: Instruction;
  readonly gradWeight: Instruction;
}

/** What reads a convolution's result, and nothing else does. */
interface Pooling {
  readonly pool: Instruction;
  readonly backward: readonly Backward[];
}

export function joinPooling(lists: InstructionLists, queries: NativeQueries): InstructionLists {
  if (!lists.step.some(({ attrs }) => attrs.algorithm === ALGORITHM.hwcn)) return lists;
  const readers = readersOf(lists.step);
  const all = [...lists.prepare, ...lists.step].flatMap((instruction) => [...reads(instruction), ...writes(instruction)]);
  let nextBuffer = all.reduce((most, { id }) => Math.max(most, id), -1) + 1;
  const replaced = new Map<Instruction, Instruction | null>();
  for (const conv of lists.step) {
    const found = findPooling(conv, readers);
    if (!found) continue;
    const joined = join(conv, found, nextBuffer);
    if (![...joined.values()].every((instruction) => instruction === null || queries.accepts(instruction))) continue;
    for (const [instruction, replacement] of joined) replaced.set(instruction, replacement);
    nextBuffer++;
  }
  if (replaced.size === 0) return lists;
  const step = lists.step.map((instruction) => (replaced.has(instruction) ? replaced.get(instruction)! : instruction));
  return { ...lists, step: step.filter((instruction) => instruction !== null) };
}

/** What the convolution, its pooling and their gradients are replaced by. @param id of the buffer for positions */
function join(conv: Instruction, { pool, backward }: Pooling, id: number): Map<Instruction, Instruction | null> {
  const { kh: pool_h, kw: pool_w } = pool.attrs as { kh: number; kw: number };
  const [n, h, w, c] = pool.outputs[0]!.shape as [number, number, number, number];
  const shape = [Math.ceil(n / IMAGE_BLOCK), h, w, c, IMAGE_BLOCK];
  const position: Buffer | null = backward.length > 0 ? { id, dtype: 'float32', shape, name: pool.name, place: { space: 'arena' } } : null;
  const joined = new Map<Instruction, Instruction | null>([[pool, null]]);
  joined.set(conv, {
    ...conv,
    opcode: 'conv2d_max_pool2d',
    inputs: conv.inputs.slice(0, 3),
    outputs: [pool.outputs[0]!, position],
    attrs: { activation: conv.attrs.activation!, ...pick(conv, GEOMETRY), pool_h, pool_w },
  });
  for (const { poolGrad, gradWeight } of backward) {
    joined.set(poolGrad, null);
    joined.set(gradWeight, {
      ...gradWeight,
      opcode: 'conv2d_max_pool2d_grad_weight',
      inputs: [gradWeight.inputs[0]!, poolGrad.inputs[1]!, position],
      attrs: { ...pick(gradWeight, GEOMETRY), pool_h, pool_w },
    });
  }
  return joined;
}

function pick(instruction: Instruction, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, instruction.attrs[name]!]));
}

/** The only readers of a convolution's result, if they are one pooling and gradients of the same pooling that can be joined as well. */
function findPooling(conv: Instruction, readers: Readers): Pooling | undefined {
  const [y] = conv.outputs;
  if (conv.opcode !== 'conv2d' || conv.attrs.algorithm !== ALGORITHM.hwcn || conv.inputs[3] || !y || y.aliasOf || !inArena(y))
    return undefined;
  const [pool, ...others] = [...(readers.get(y) ?? [])].sort((a, b) => rank(a) - rank(b));
  if (pool?.opcode !== 'max_pool2d' || pool.inputs[0] !== y || !isTiling(pool, y)) return undefined;
  const mask = conv.attrs.activation === ACTIVATION.relu ? 1 : 0;
  const backward: Backward[] = [];
  for (const poolGrad of others) {
    const gradWeight = findGradWeight(poolGrad, readers);
    const isSame = WINDOW.every((name) => poolGrad.attrs[name] === pool.attrs[name]) && poolGrad.attrs.relu_mask === mask;
    if (poolGrad.inputs[0] !== y || !isSame || !gradWeight) return undefined;
    backward.push({ poolGrad, gradWeight });
  }
  return { pool, backward };
}

/** Sorts pooling before everything else. */
function rank(instruction: Instruction): number {
  return instruction.opcode === 'max_pool2d' ? 0 : 1;
}

/** Whether windows lie side by side and none of them reaches beyond the image. */
function isTiling({ attrs, outputs }: Instruction, image: Buffer): boolean {
  const { kh, kw, sh, sw, pt, pl, dh, dw } = attrs as Record<(typeof WINDOW)[number], number>;
  const [, height, width] = outputs[0]!.shape as [number, number, number];
  const isPlain = pt === 0 && pl === 0 && dh === 1 && dw === 1 && sh === kh && sw === kw;
  const isInside = height * kh <= image.shape[1]! && width * kw <= image.shape[2]!;
  return isPlain && isInside;
}

function findGradWeight(poolGrad: Instruction, readers: Readers): Instruction | undefined {
  const [dx] = poolGrad.outputs;
  if (poolGrad.opcode !== 'max_pool2d_grad' || !dx || dx.aliasOf || !inArena(dx)) return undefined;
  const [gradWeight, ...others] = readers.get(dx) ?? [];
  const isHwcn = gradWeight?.opcode === 'conv2d_grad_weight' && gradWeight.attrs.algorithm === ALGORITHM.hwcn;
  return isHwcn && gradWeight.inputs[1] === dx && baseOf(gradWeight.inputs[0]!) !== dx && others.length === 0 ? gradWeight : undefined;
}
