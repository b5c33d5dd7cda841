/** Sessions and States on hand-written programs: feeds and fetches, updates, mirrored variables, overlap, closing. */

import { encode } from '../../lib/compile/encode';
import type { Buffer, Instruction, Program } from '../../lib/compile/ir';
import { UNARY_KIND } from '../../lib/compile/opcodes';
import { planMemory } from '../../lib/compile/planMemory';
import { schedule } from '../../lib/compile/schedule';
import { atOnce } from '../../lib/work';
import { StridenetError } from '../../lib/errors';
import { variableTensor } from '../../lib/graph/leaves';
import { VariableStorage } from '../../lib/graph/storage';
import type { Tensor } from '../../lib/graph/tensor';
import type { TypedArray } from '../../lib/graph/types';
import { binding } from '../../lib/runtime/binding';
import { makeQueries, nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import { Buffers, instruction } from '../compile/randomProgram';

function finish(prepare: Instruction[], step: Instruction[], feeds: Buffer[], fetches: Buffer[]): Program {
  const lists = atOnce(schedule({ prepare, step, feeds, fetches }));
  return encode(lists, planMemory(lists));
}

/** y = exp(-x) */
function exponential(n: number): Program {
  const buffers = new Buffers();
  const x = buffers.make([n], { space: 'feed', index: 0 }, { name: 'x' });
  const y = buffers.make([n], { space: 'fetch', index: 0 });
  const t = buffers.make([n]);
  const step = [
    instruction('unary', [x], [t], { kind: UNARY_KIND.neg }, 'negated'),
    instruction('unary', [t], [y], { kind: UNARY_KIND.exp }, 'exponential'),
  ];
  return finish([], step, [x], [y]);
}

/** w -= lr * gradient; fetches what w was before. */
function descent(w: Tensor): Program {
  const buffers = new Buffers();
  const shape = w.shape.length === 4 ? [w.shape[0]!, w.shape[2]!, w.shape[3]!, w.shape[1]!] : w.shape;
  const gradient = buffers.make(shape, { space: 'feed', index: 0 }, { name: 'gradient' });
  const lr = buffers.make([], { space: 'feed', index: 1 }, { name: 'lr' });
  const state = buffers.make(shape, { space: 'state', variable: w });
  const before = buffers.make(shape, { space: 'fetch', index: 0 });
  const step = [
    instruction('unary', [state], [before], { kind: UNARY_KIND.copy }, 'before'),
    instruction('sgd', [gradient, lr, null], [state, null], {}, 'w/update'),
  ];
  return finish([], step, [gradient, lr], [before]);
}

/** y = 2 x w with the doubled weight kept in a derived slot. */
function derivedProduct(w: Tensor): Program {
  const buffers = new Buffers();
  const x = buffers.make(w.shape, { space: 'feed', index: 0 }, { name: 'x' });
  const state = buffers.make(w.shape, { space: 'state', variable: w });
  const doubled = buffers.make(w.shape, { space: 'derived', key: 'doubled w' });
  const y = buffers.make(w.shape, { space: 'fetch', index: 0 });
  return finish(
    [instruction('binary', [state, state], [doubled], { kind: 0 }, 'w')],
    [instruction('binary', [x, doubled], [y], { kind: 2 })],
    [x],
    [y],
  );
}

function weight(...values: number[]): Tensor {
  return variableTensor(new VariableStorage([values.length], () => Float32Array.from(values)), 'w');
}
function storage(w: Tensor): VariableStorage {
  return w.leaf!.kind === 'variable' ? w.leaf!.storage : (undefined as never);
}
const plain = (arrays: readonly TypedArray[]): number[][] => arrays.map((array) => Array.from(array));
const lr = Float32Array.of(0.5);
const ones = (n: number): Float32Array => new Float32Array(n).fill(1);

test('runs feeds through a program, asynchronously and not', async () => {
  using session = new Session({ state: new State(), threads: 2 });
  const program = session.load(exponential(3));
  const x = Float32Array.of(0, 1, -1);
  const expected = [Math.exp(0), Math.exp(-1), Math.exp(1)];
  const pending = session.run(program, [x]);
  x.fill(7); // copied before run returned
  const [y] = await pending;
  expect(y).toHaveLength(3);
  for (const [i, value] of expected.entries()) expect(y![i]).toBeCloseTo(value, 6);
  expect(plain(session.runSync(program, [Float32Array.of(0, 1, -1)]))).toEqual(plain([y!]));
  expect(session.runSync(session.load(exponential(1)), [Float32Array.of(0)])[0]![0]).toBeCloseTo(1, 6);
});

test('refuses feeds that do not fit', async () => {
  using session = new Session({ state: new State() });
  const program = session.load(exponential(3));
  const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error;
  expect(() => session.runSync(program, [])).toThrow('the program takes 1 feeds but got 0');
  expect(() => session.runSync(program, [new Int32Array(3)])).toThrow(code('ERR_DTYPE_MISMATCH'));
  expect(() => session.runSync(program, [[1, 2, 3] as never])).toThrow(code('ERR_INVALID_ARGUMENT'));
  expect(() => session.runSync(program, [undefined as never])).toThrow(code('ERR_INVALID_ARGUMENT'));
  expect(() => session.runSync(program, [new Float32Array(4)])).toThrow('feed 0 must have 3 elements but has 4');
  await expect(session.run(program, [new Float32Array(4)])).rejects.toThrow(code('ERR_SHAPE_MISMATCH'));
  await expect(session.run(program, [ones(3)], { steps: 0 })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'));
  expect(() => session.runSync(program, [ones(3)], { steps: 1.5 })).toThrow(code('ERR_INVALID_ARGUMENT'));
});

describe('variables', () => {
  test('are uploaded at first, held after an update, and read back on demand', async () => {
    const w = weight(1, 2);
    const state = new State();
    using session = new Session({ state });
    const step = session.load(descent(w));
    expect(plain(await session.run(step, [ones(2), lr]))).toEqual([[1, 2]]);
    expect(storage(w).isHeldBy(state)).toBe(true);
    expect(Array.from(storage(w).value())).toEqual([0.5, 1.5]);
    expect(plain(session.runSync(step, [ones(2), lr]))).toEqual([[0.5, 1.5]]);
    expect(Array.from(storage(w).value())).toEqual([0, 1]);
  });

  test('set from outside are uploaded again', () => {
    const w = weight(1, 2);
    using session = new Session({ state: new State() });
    const step = session.load(descent(w));
    session.runSync(step, [ones(2), lr]);
    storage(w).set(Float32Array.of(10, 20));
    expect(plain(session.runSync(step, [ones(2), lr]))).toEqual([[10, 20]]);
    expect(Array.from(storage(w).value())).toEqual([9.5, 19.5]);
  });

  test('set while a step is under way win over it', async () => {
    const w = weight(1, 2);
    using session = new Session({ state: new State() });
    const step = session.load(descent(w));
    const pending = session.run(step, [ones(2), lr]);
    storage(w).set(Float32Array.of(10, 20));
    await pending;
    expect(Array.from(storage(w).value())).toEqual([10, 20]);
    expect(plain(session.runSync(step, [ones(2), lr]))).toEqual([[10, 20]]);
  });

  test('trained by one State are seen by another', () => {
    const w = weight(1, 2);
    using one = new Session({ state: new State() });
    using other = new Session({ state: new State() });
    const [here, there] = [one, other].map((session) => ({ session, step: session.load(descent(w)) }));
    for (const [i, { session, step }] of [here!, there!, there!, here!].entries()) {
      expect(plain(session.runSync(step, [ones(2), lr]))).toEqual([[1 - i * 0.5, 2 - i * 0.5]]);
    }
  });

  test('of rank 4 keep their logical order outside', () => {
    const values = Float32Array.from({ length: 2 * 3 * 2 * 2 }, (_, i) => i);
    const w = variableTensor(new VariableStorage([2, 3, 2, 2], () => values.slice()), 'w');
    using session = new Session({ state: new State() });
    const step = session.load(descent(w));
    const [before] = session.runSync(step, [new Float32Array(24), lr]);
    expect(Array.from(before!.slice(0, 4))).toEqual([0, 4, 8, 1]);
    expect(Array.from(storage(w).value())).toEqual(Array.from(values));
  });

  test('go back to their storage on release', () => {
    const w = weight(1, 2);
    const state = new State();
    using session = new Session({ state });
    const step = session.load(descent(w));
    session.runSync(step, [ones(2), lr]);
    atOnce(state.releasing());
    expect(storage(w).isHeldBy(state)).toBe(false);
    expect(Array.from(storage(w).value())).toEqual([0.5, 1.5]);
    expect(plain(session.runSync(step, [ones(2), lr]))).toEqual([[0.5, 1.5]]);
  });

  test('make derived values stale', () => {
    const w = weight(1, 2);
    const state = new State();
    using session = new Session({ state });
    const [step, doubled] = [session.load(descent(w)), session.load(derivedProduct(w))];
    const product = (): number[][] => plain(session.runSync(doubled, [ones(2)]));
    expect(product()).toEqual([[2, 4]]);
    expect(product()).toEqual([[2, 4]]);
    session.runSync(step, [ones(2), lr]);
    expect(product()).toEqual([[1, 3]]);
    storage(w).set(Float32Array.of(5, 6));
    expect(product()).toEqual([[10, 12]]);
  });

  test('several steps on the same feeds', () => {
    const w = weight(1, 2);
    using session = new Session({ state: new State() });
    const step = session.load(descent(w));
    expect(plain(session.runSync(step, [ones(2), lr], { steps: 3 }))).toEqual([[0, 1]]);
    expect(Array.from(storage(w).value())).toEqual([-0.5, 0.5]);
  });
});

describe('overlap and closing', () => {
  test('runs queue in order', async () => {
    const w = weight(8);
    using session = new Session({ state: new State() });
    const step = session.load(descent(w));
    const results = await Promise.all(Array.from({ length: 16 }, () => session.run(step, [ones(1), lr])));
    expect(results.map(([before]) => before![0])).toEqual(Array.from({ length: 16 }, (_, i) => 8 - i * 0.5));
    expect(Array.from(storage(w).value())).toEqual([0]);
  });

  test('a closed session refuses, and closing twice is fine', async () => {
    const session = new Session({ state: new State() });
    const program = session.load(exponential(1));
    session.runSync(program, [ones(1)]);
    session.close();
    session.close();
    expect(() => session.runSync(program, [ones(1)])).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    await expect(session.run(program, [ones(1)])).rejects.toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });

  test('closing during runs settles every one of them', async () => {
    const session = new Session({ state: new State(), threads: 2 });
    const program = session.load(exponential(200_000));
    const pending = Array.from({ length: 20 }, () => session.run(program, [ones(200_000)]));
    session.close();
    const settled = await Promise.allSettled(pending);
    const failures = settled.filter((each) => each.status === 'rejected').map(({ reason }: PromiseRejectedResult): unknown => reason);
    for (const error of failures) {
      expect(error).toBeInstanceOf(StridenetError);
      expect((error as StridenetError).code).toBe('ERR_CLOSED');
      expect((error as StridenetError).stack).toContain('session.test.ts');
    }
  });
});

test('a listing shows the program', () => {
  using session = new Session({ state: new State() });
  const program = session.load(exponential(3));
  expect(session.listing(program)).toMatch(/0 unary negated \[3\] neg.*\n {2}1 unary exponential \[3\] exp/);
  expect(session.profile(program).map(({ list, opcode, name }) => [list, opcode, name])).toEqual([
    ['step', 'unary', 'negated'],
    ['step', 'unary', 'exponential'],
  ]);
});

test('a program that native code refuses is an error of its own', () => {
  const program = exponential(3);
  program.words[HEADER_ARENA] = 0;
  using session = new Session({ state: new State() });
  expect(() => session.load(program)).toThrow(expect.objectContaining({ code: 'ERR_PROGRAM_INVALID' }));
});
const HEADER_ARENA = 3;

describe('queries', () => {
  const attrs = { transpose: 0 };
  test('packed lengths hold at least the weight', () => {
    const length = nativeQueries().packedLength('matmul_pack', [120, 84], attrs);
    expect(length).toBeGreaterThanOrEqual(120 * 84);
    expect(nativeQueries().packedLength('matmul_pack', [120, 84], attrs)).toBe(length);
    expect(() => nativeQueries().packedLength('matmul_pack', [120], attrs)).toThrow('native code refuses');
  });

  test('answer for every instruction set, whatever this processor has', () => {
    const length = (isa: string): number => makeQueries(binding(), isa).packedLength('matmul_pack', [3, 17], attrs);
    expect(['scalar', 'neon', 'avx2', 'avx512'].map(length)).toEqual([60, 60, 72, 96]);
    expect(() => length('mmx')).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED_ISA' }));
  });

  test('costs grow with the work', () => {
    const buffers = new Buffers();
    const cost = (m: number): ReturnType<ReturnType<typeof nativeQueries>['cost']> => {
      const k = 64;
      const packed = buffers.make([nativeQueries().packedLength('matmul_pack', [k, k], attrs)]);
      return nativeQueries().cost(instruction('matmul', [buffers.make([m, k]), packed, null, null], [buffers.make([m, k])]));
    };
    expect(cost(256).seconds).toBeGreaterThan(8 * cost(16).seconds);
    expect(cost(16).bytes).toBeGreaterThan(0);
    expect(cost(16).scratchBytes).toBeGreaterThanOrEqual(0);
  });
});
