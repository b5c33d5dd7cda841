/**
 * A 1x1 convolution of which only a depthwise 3x3 convolution reads the result becomes one instruction with it (MobileNetV2's expansions):
 *
 *   conv2d(conv2d(x), depthwise)  ->  conv2d_pointwise_depthwise(x)
 *
 * The result between them is several times x and y. It never reaches memory: threads make the few lines that they use
 * next. This pays for large results alone: a small one stays in the caches anyway, and the weights, which a convolution
 * of whole images reads once, are read again for every few lines. Unlike `fuse`, which makes one node of several, this
 * makes one instruction of several: only when convolutions are lowered is it known which algorithm they take.
 */

import { byteLength, inArena, readersOf } from './buffers';
import type { Buffer, Instruction, InstructionLists, NativeQueries } from './ir';
import { ALGORITHM } from './opcodes';

/** The result between the two must have at least so many bytes. */
const LEAST_BYTES = 2 ** 20;
/**
 * The packed weight of the 1x1 convolution may have at most so many bytes: it must stay in the first-level cache beside
 * lines of images.
 */
const MOST_WEIGHT_BYTES = 2 ** 15;

export function joinDepthwise(lists: InstructionLists, queries: NativeQueries): InstructionLists {
  if (!lists.step.some(({ attrs }) => attrs.algorithm === ALGORITHM.depthwise)) return lists;
  const readers = readersOf(lists.step);
  const replaced = new Map<Instruction, Instruction | null>();
  for (const expansion of lists.step) {
    const [between] = expansion.outputs;
    if (!between || !isExpansion(expansion, between)) continue;
    const [depthwise, ...others] = readers.get(between) ?? [];
    if (!depthwise || others.length > 0 || !isDepthwise3x3(depthwise, between)) continue;
    const { activation, sh: stride, pt, pl } = depthwise.attrs as Record<'activation' | 'sh' | 'pt' | 'pl', number>;
    const joined: Instruction = {
      ...depthwise,
      opcode: 'conv2d_pointwise_depthwise',
      inputs: [...expansion.inputs.slice(0, 3), ...depthwise.inputs.slice(1, 3)],
      attrs: { activation: expansion.attrs.activation!, depthwise_activation: activation, stride, pt, pl },
    };
    if (!queries.accepts(joined)) continue;
    replaced.set(expansion, null);
    replaced.set(depthwise, joined);
  }
  if (replaced.size === 0) return lists;
  const step = lists.step.map((instruction) => (replaced.has(instruction) ? replaced.get(instruction)! : instruction));
  return { ...lists, step: step.filter((instruction) => instruction !== null) };
}

function isExpansion({ opcode, attrs, inputs }: Instruction, result: Buffer): boolean {
  if (opcode !== 'conv2d' || attrs.algorithm !== ALGORITHM.direct || attrs.widen !== 1 || inputs[3]) return false;
  const is1x1 = attrs.kh === 1 && attrs.kw === 1 && attrs.sh === 1 && attrs.sw === 1 && attrs.pt === 0 && attrs.pl === 0;
  // No attribute says how much padding there is at the bottom and on the right: the extents do.
  const isWhole = inputs[0]!.shape[1] === result.shape[1] && inputs[0]!.shape[2] === result.shape[2];
  const isLarge = byteLength(result) >= LEAST_BYTES && byteLength(inputs[1]!) <= MOST_WEIGHT_BYTES;
  return is1x1 && isWhole && isLarge && attrs.groups === 1 && !result.aliasOf && inArena(result);
}

function isDepthwise3x3({ opcode, attrs, inputs }: Instruction, images: Buffer): boolean {
  if (opcode !== 'conv2d' || attrs.algorithm !== ALGORITHM.depthwise || inputs[0] !== images || inputs[3]) return false;
  const { kh, kw, sh, sw, dh, dw } = attrs as Record<'kh' | 'kw' | 'sh' | 'sw' | 'dh' | 'dw', number>;
  return kh === 3 && kw === 3 && dh === 1 && dw === 1 && sh === sw;
}
