/** Feeding: element types, the order of channels, scale and shift, against the formula y = raw scale[c] + shift[c]. */

import { compileGraph } from '../../lib/compile/compile';
import { inputTensor } from '../../lib/graph/leaves';
import type { InputSpec } from '../../lib/graph/tensor';
import type { TypedArray } from '../../lib/graph/types';
import { nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';

type Form = Omit<InputSpec, 'name'>;

function feed(raw: TypedArray, shape: readonly number[], dtype: 'float32' | 'int32', form: Form): TypedArray {
  const input = inputTensor({ name: 'x', ...form }, shape, dtype);
  const session = new Session({ state: new State(), threads: 2 });
  try {
    const program = session.load(compileGraph({ feeds: [input], outputs: [input], updates: [] }, nativeQueries()));
    return session.runSync(program, [raw])[0]!;
  } finally {
    session.close();
  }
}

const SHAPES = [[1, 1, 28, 28], [3, 3, 5, 7], [2, 17, 3, 4], [5, 3, 1, 1], [2, 3, 61, 53], [2, 9, 31, 33], [4, 33], [7]];

const RAW = {
  uint8: (count: number): TypedArray => Uint8Array.from({ length: count }, (_, i) => (i * 37) % 256),
  float32: (count: number): TypedArray => Float32Array.from({ length: count }, (_, i) => ((i * 37) % 256) / 16 - 5),
  int32: (count: number): TypedArray => Int32Array.from({ length: count }, (_, i) => ((i * 37) % 256) - 128),
};

describe.each(SHAPES.map((shape) => [shape] as const))('[%s]', (shape) => {
  const count = shape.reduce((a, b) => a * b, 1);
  const [, channels = 1, height = 1, width = 1] = shape.length === 4 ? shape : [];
  const pixels = height * width;
  const channelOf = (logical: number): number => Math.floor(logical / pixels) % channels;
  /** Where the logical element lies in a raw array of that layout. */
  const rawIndex = (logical: number, layout: 'nchw' | 'nhwc'): number => {
    if (layout === 'nchw' || shape.length !== 4) return logical;
    const image = Math.floor(logical / (channels * pixels));
    return (image * pixels + (logical % pixels)) * channels + channelOf(logical);
  };

  test.each(['uint8', 'float32', 'int32'] as const)('%s', (feedDType) => {
    const raw = RAW[feedDType](count);
    const perChannel = (f: (c: number) => number): number[] => Array.from({ length: channels }, (_, c) => f(c));
    const scalings: [readonly number[] | undefined, readonly number[] | undefined][] = [
      [undefined, undefined],
      [[1 / 255], undefined],
      [undefined, [-0.5]],
      [[0.5], [2]],
      [perChannel((c) => 1 / (2 + c)), perChannel((c) => c - 1.5)],
    ];
    for (const layout of ['nchw', 'nhwc'] as const) {
      for (const [scale, shift] of scalings) {
        const actual = feed(raw, shape, 'float32', { feedDType, layout, scale, shift });
        const pick = (list: readonly number[] | undefined, i: number, none: number): number =>
          list ? Math.fround(list[list.length === 1 ? 0 : channelOf(i)]!) : none;
        for (let i = 0; i < count; i++) {
          const value = raw[rawIndex(i, layout)]!;
          const expected = value * pick(scale, i, 1) + pick(shift, i, 0);
          const magnitude = Math.abs(value * pick(scale, i, 1)) + Math.abs(pick(shift, i, 0));
          if (!(Math.abs(actual[i]! - expected) <= 2 ** -23 * magnitude)) {
            throw new Error(`${layout}, scale ${String(scale)}, shift ${String(shift)}: value ${i} is ${actual[i]}, expected ${expected}`);
          }
        }
      }
    }
  });

  test.each(['uint8', 'int32'] as const)('%s to int32', (feedDType) => {
    const raw = RAW[feedDType](count);
    expect([...feed(raw, shape, 'int32', { feedDType, layout: 'nchw' })]).toEqual([...raw]);
  });
});
