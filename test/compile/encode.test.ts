/** Words of a Program: what goes in comes out, and what ops.def does not allow is refused. */

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { decode, disassemble, formatBytes } from '../../lib/compile/disassemble';
import { encode, floatBits, floatFromBits, HEADER_WORDS, PROGRAM_MAGIC, TENSOR_WORDS } from '../../lib/compile/encode';
import type { Instruction, InstructionLists } from '../../lib/compile/ir';
import { ACTIVATION, DTYPE, OPCODES, OPS_HASH, SPACE, UNARY_KIND } from '../../lib/compile/opcodes';
import { planMemory } from '../../lib/compile/planMemory';
import { Buffers, instruction, randomLists, variable } from './randomProgram';

/** conv2d with bias, addition and relu on packed weights, then a fetch in logical order. */
function convolution(): { lists: InstructionLists; weight: ReturnType<typeof variable> } {
  const buffers = new Buffers();
  const weight = variable([6, 1, 5, 5], 'conv1.weight');
  const image = buffers.make([2, 28, 28, 1], { space: 'feed', index: 0 }, { dtype: 'uint8', name: 'images' });
  const scale = buffers.make([1], { space: 'constant', data: Float32Array.of(0.5) });
  const shift = buffers.make([1], { space: 'constant', data: Float32Array.of(-1) });
  const x = buffers.make([2, 28, 28, 1]);
  const state = buffers.make([6, 5, 5, 1], { space: 'state', variable: weight });
  const packed = buffers.make([256], { space: 'derived', key: 'pack conv1' });
  const y = buffers.make([2, 28, 28, 6]);
  const flat = buffers.alias(y, [2, 28 * 28 * 6]);
  const fetch = buffers.make([2, 28 * 28 * 6], { space: 'fetch', index: 0 });
  const geometry = { sh: 1, sw: 1, pt: 2, pl: 2, dh: 1, dw: 1, groups: 1, widen: 1 };
  return {
    weight,
    lists: {
      prepare: [instruction('conv2d_pack', [state, null], [packed], geometry, 'conv1')],
      step: [
        instruction('feed', [image, scale, shift], [x], { layout: 0 }, 'images'),
        instruction('conv2d', [x, packed, scale, x], [y], { ...geometry, activation: ACTIVATION.relu, kh: 5, kw: 5 }, 'conv1'),
        instruction('unary', [flat], [fetch], { kind: UNARY_KIND.exp }, 'output'),
      ],
      feeds: [image],
      fetches: [fetch],
    },
  };
}

test('words hold the header, tensors without duplicates, instructions and constants', () => {
  const { lists, weight } = convolution();
  const memoryPlan = planMemory(lists);
  const program = encode(lists, memoryPlan);
  const { words } = program;
  expect([...words.subarray(0, 12)]).toEqual([PROGRAM_MAGIC, OPS_HASH | 0, words.length, memoryPlan.arenaLines, 9, 1, 3, 2, 1, 1, 0, 0]);
  const decoded = decode(words);
  expect(decoded.tensors[0]).toEqual({ dtype: 'uint8', space: 'feed', offset: 0, shape: [2, 28, 28, 1] });
  expect(decoded.tensors[1]).toEqual({ dtype: 'float32', space: 'fetch', offset: 0, shape: [2, 28 * 28 * 6] });
  const [y, flat] = [decoded.step[1]!.outputs[0]!, decoded.step[2]!.inputs[0]!];
  expect(flat).toEqual({ ...y, shape: [2, 28 * 28 * 6] });
  expect(decoded.step[0]!.inputs[2]).toEqual({ dtype: 'float32', space: 'constant', offset: 1, shape: [1] });
  expect([...words.subarray(-2)].map(floatFromBits)).toEqual([0.5, -1]);
  expect(program.slots).toEqual([
    { key: weight, dtype: 'float32', shape: [6, 5, 5, 1] },
    { key: 'pack conv1', dtype: 'float32', shape: [256] },
  ]);
  expect(program.slotWords).toHaveLength(2);
  for (const [slot, word] of program.slotWords.entries()) {
    expect((word - HEADER_WORDS) % TENSOR_WORDS).toBe(2);
    expect([words[word - 2], words[word - 1], words[word]]).toEqual([DTYPE.float32, SPACE.state, slot]);
  }
  expect(program.updates).toEqual([]);
});

test('decoding gives every instruction back', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const lists = randomLists(seed);
    const program = encode(lists, planMemory(lists));
    const decoded = decode(program.words);
    const all = [...lists.prepare, ...lists.step];
    expect(decoded.prepare).toHaveLength(lists.prepare.length);
    for (const [i, { opcode, inputs, outputs, attrs }] of [...decoded.prepare, ...decoded.step].entries()) {
      const wanted = all[i]!;
      expect([opcode, attrs]).toEqual([wanted.opcode, wanted.attrs]);
      expect([...inputs, ...outputs].map((t) => t?.shape)).toEqual([...wanted.inputs, ...wanted.outputs].map((b) => b?.shape));
    }
    const updated = lists.step.filter((each) => each.opcode === 'sgd').map((each) => each.outputs[0]!.name);
    expect(program.updates).toHaveLength(updated.length);
  }
});

test('float attributes travel as bits', () => {
  for (const value of [0, -0, 0.1, 1e-30, -3.5, Infinity]) expect(floatFromBits(floatBits(value))).toBe(Math.fround(value));
  const { lists } = trainingLists({ momentum: 0.9, dampening: 0.25, weight_decay: 5e-4, nesterov: 1 });
  const attrs = decode(encode(lists, planMemory(lists)).words).step[0]!.attrs;
  expect(attrs).toEqual({ momentum: Math.fround(0.9), dampening: 0.25, weight_decay: Math.fround(5e-4), nesterov: 1 });
});

function trainingLists(attrs: Record<string, number>): { lists: InstructionLists } {
  const buffers = new Buffers();
  const gradient = buffers.make([4], { space: 'feed', index: 0 });
  const lr = buffers.make([1], { space: 'feed', index: 1 });
  const [parameter, velocity] = [variable([4], 'w'), variable([4], 'w/velocity')];
  const outputs = [parameter, velocity].map((v) => buffers.make([4], { space: 'state', variable: v }));
  const lists = { prepare: [], step: [instruction('sgd', [gradient, lr, null], outputs, attrs, 'w')], feeds: [gradient, lr], fetches: [] };
  return { lists };
}

test('the variables that a step writes are its updates', () => {
  const { lists } = trainingLists({});
  expect(encode(lists, planMemory(lists)).updates.map((v) => v.name)).toEqual(['w', 'w/velocity']);
});

describe('refuses what ops.def does not allow', () => {
  const buffers = new Buffers();
  const x = buffers.make([4], { space: 'feed', index: 0 }, { name: 'x' });
  const y = buffers.make([4], { space: 'fetch', index: 0 }, { name: 'y' });
  const bad = (wrong: Partial<Instruction>, feeds = [x]): (() => unknown) => {
    const step = [{ ...instruction('unary', [x], [y], {}, 'u'), ...wrong }];
    return () => encode({ prepare: [], step, feeds, fetches: [y] }, { arenaLines: 0, offsets: new Map() });
  };
  test.each([
    ['a missing operand', { inputs: [null] }, 'unary "u" lacks its operand x'],
    ['an operand too many', { inputs: [x, x] }, 'unary "u" expects 1 inputs and 1 outputs but has 2 and 1'],
    ['a missing attribute', { attrs: {} }, 'unary "u" expects attribute kind to be an int32 but it is undefined'],
    ['a fraction', { attrs: { kind: 0.5 } }, 'unary "u" expects attribute kind to be an int32 but it is 0.5'],
    ['an unknown attribute', { attrs: { kind: 0, slope: 1 } }, 'unary "u" has no attribute slope'],
    ['a written feed', { outputs: [x] }, 'unary "u" writes "x", a feed'],
    ['an unplaced buffer', { inputs: [buffers.make([4], { space: 'arena' }, { name: 'z' })] }, '"z" has no place in the arena'],
    ['an alias of another size', { inputs: [buffers.alias(x, [5])] }, 'differ in bytes'],
    ['an empty buffer', { inputs: [buffers.make([0])] }, 'is empty'],
    ['seven axes', { inputs: [buffers.make([1, 1, 1, 1, 1, 1, 1])] }, 'has rank 7'],
  ])('%s', (_, wrong, message) => {
    expect(bad(wrong)).toThrow(message);
    expect(bad(wrong)).toThrow(expect.objectContaining({ code: 'ERR_PROGRAM_INVALID' }));
  });
  test('feeds in another order than their numbers', () => {
    expect(bad({}, [buffers.make([4], { space: 'feed', index: 1 }, { name: 'late' })])).toThrow('feed 0 is not the buffer "late"');
  });
});

test('a listing shows logical shapes, algorithm, epilogue and scratch', () => {
  const { lists } = convolution();
  const listing = disassemble(encode(lists, planMemory(lists)), { scratchBytes: (index) => (index === 2 ? 196 * 1024 : 0) });
  expect(listing).toMatchInlineSnapshot(`
   "program: 1 prepare instruction, 3 step instructions, 2 state slots, arena 42.9 KiB
   prepare:
     0 conv2d_pack conv1 [256] forward direct pad=2
   step:
     0 feed images [2, 1, 28, 28] nchw
     1 conv2d conv1 [2, 6, 28, 28] direct 5x5 pad=2 epilogue=bias+add+relu scratch 196 KiB
     2 unary output [2, 4704] exp"
  `);
  const training = trainingLists({ momentum: 0.9 }).lists;
  expect(disassemble(encode(training, planMemory(training)))).toMatchInlineSnapshot(`
   "program: 0 prepare instructions, 1 step instruction, 2 state slots, arena 0 B
   step:
     0 sgd w [4] momentum=0.9"
  `);
});

test('bytes are written for people', () => {
  expect([0, 64, 1536, 200 * 1024, 5.25 * 2 ** 20, 3 * 2 ** 30].map(formatBytes)).toEqual([
    '0 B',
    '64 B',
    '1.5 KiB',
    '200 KiB',
    '5.3 MiB',
    '3 GiB',
  ]);
});

describe('opcodes.ts', () => {
  test('is generated from ops.def', () => {
    execFileSync(process.execPath, [path.join(__dirname, '../../scripts/generateOpcodes.js'), '--check']);
  });

  test('marks optional and updated operands and float attributes', () => {
    expect(OPCODES.sgd).toEqual({
      code: Object.keys(OPCODES).indexOf('sgd'),
      inputs: [
        { name: 'grad', optional: false, updated: false },
        { name: 'lr', optional: false, updated: false },
        { name: 'steps', optional: true, updated: false },
      ],
      outputs: [
        { name: 'param', optional: false, updated: true },
        { name: 'velocity', optional: true, updated: true },
      ],
      attrs: [
        { name: 'momentum', float: true },
        { name: 'dampening', float: true },
        { name: 'weight_decay', float: true },
        { name: 'nesterov', float: false },
      ],
    });
  });

  test('marks the input whose memory an output may take over, and attributes that are values of an enumeration', () => {
    expect(OPCODES.matmul).toMatchObject({ inPlaceInput: 3, attrs: [{ name: 'activation', float: false, values: ACTIVATION }] });
    expect(OPCODES.matmul_pack.inPlaceInput).toBeUndefined();
  });
});
