/**
 * Dropout: y = u >= p ? x / (1 - p) : 0, u = the upper 24 bits of a word of Philox4x32-10 times 2^-24. The key is the seed, the counter
 * [block, step, node, 2]. Elements count in the order of memory (channels last); element 64 q + 16 j + r takes word j of block 16 q + r.
 */

import { PURPOSE, philox4x32 } from '../../lib/random';
import { array64, forEachIndex, type Array64 } from './array64';

/** @param random [seed low, seed high, step] as signed 32-bit integers */
export function dropout(x: Array64, random: Array64, p: number, node: number): Array64 {
  const [low, high, step] = Array.from(random.data, (v) => v >>> 0) as [number, number, number];
  const words = new Uint32Array(4);
  const y = array64(x.shape);
  forEachIndex(x.shape, (index, flat) => {
    let e = flat;
    if (x.shape.length === 4) {
      const [, c, h, w] = x.shape as [number, number, number, number];
      e = ((index[0]! * h + index[2]!) * w + index[3]!) * c + index[1]!;
    }
    philox4x32([16 * Math.floor(e / 64) + (e % 16), step, node, PURPOSE.dropout], [low, high], words);
    const u = (words[Math.floor((e % 64) / 16)]! >>> 8) * 2 ** -24;
    y.data[flat] = u >= p ? x.data[flat]! / (1 - p) : 0;
  });
  return y;
}
