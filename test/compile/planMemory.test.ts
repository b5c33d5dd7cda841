/** Properties of scheduling and memory planning over random programs: nothing alive is overwritten and nothing changes its meaning. */

import { byteLength } from '../../lib/compile/buffers';
import { lifetimes, planMemory } from '../../lib/compile/planMemory';
import { schedule } from '../../lib/compile/schedule';
import { atOnce } from '../../lib/work';
import { Buffers, instruction, liveLines, randomLists, runOnSymbols, variable } from './randomProgram';

const seeds = Array.from({ length: 150 }, (_, i) => i + 1);

describe('planMemory', () => {
  test.each([
    ['with shared memory', { sharesMemory: true }],
    ['without', { sharesMemory: false }],
    ['without in-place outputs', { inPlace: false }],
  ])('keeps every value until its last reader, %s', (_, options) => {
    for (const seed of seeds) {
      const lists = randomLists(seed);
      expect([seed, runOnSymbols(lists, planMemory(lists, options))]).toEqual([seed, runOnSymbols(lists)]);
    }
  });

  test('buffers that are alive together never overlap, except an output that takes its input over', () => {
    for (const seed of seeds) {
      const lists = randomLists(seed);
      const { offsets, arenaLines } = planMemory(lists);
      const lives = [...lifetimes(lists)].map(([b, life]) => {
        const start = offsets.get(b.id)!;
        return { start, end: start + Math.ceil(byteLength(b) / 64), ...life };
      });
      expect(Math.max(...lives.map(({ end }) => end))).toBeLessThanOrEqual(arenaLines);
      const overlapping = lives.flatMap((a, i) =>
        lives.slice(0, i).filter((b) => {
          const [early, late] = a.first < b.first ? [a, b] : [b, a];
          const together = late.first <= early.last;
          const takesOver = late.first === early.last && late.start === early.start && late.end === early.end;
          return together && !takesOver && a.start < b.end && b.start < a.end;
        }),
      );
      expect([seed, overlapping]).toEqual([seed, []]);
    }
  });

  test('the arena is at least the largest live set and at most the sum', () => {
    for (const seed of seeds) {
      const lists = randomLists(seed);
      const { arenaLines } = planMemory(lists, { inPlace: false });
      const apart = planMemory(lists, { sharesMemory: false }).arenaLines;
      expect(arenaLines).toBeGreaterThanOrEqual(Math.max(...liveLines(lists)));
      expect(arenaLines).toBeLessThanOrEqual(apart);
    }
  });

  test('a chain of elementwise instructions runs in one block', () => {
    const buffers = new Buffers();
    const feed = buffers.make([100], { space: 'feed', index: 0 });
    const fetch = buffers.make([100], { space: 'fetch', index: 0 });
    const [a, b, c] = [buffers.make([100]), buffers.make([100]), buffers.make([100])];
    const step = [
      instruction('feed', [feed, null, null], [a]),
      instruction('unary', [a], [b]),
      instruction('unary', [b], [c]),
      instruction('unary', [c], [fetch]),
    ];
    expect(planMemory({ prepare: [], step, feeds: [feed], fetches: [fetch] }).arenaLines).toBe(7);
  });

  test('an output does not take over an input that another operand reads too', () => {
    const buffers = new Buffers();
    const feed = buffers.make([16], { space: 'feed', index: 0 });
    const fetch = buffers.make([16], { space: 'fetch', index: 0 });
    const [a, b] = [buffers.make([16]), buffers.make([16])];
    const step = [instruction('feed', [feed, null, null], [a]), instruction('binary', [a, a], [b]), instruction('unary', [b], [fetch])];
    expect(planMemory({ prepare: [], step, feeds: [feed], fetches: [fetch] }).arenaLines).toBe(2);
  });

  test('refuses to read what nothing writes', () => {
    const buffers = new Buffers();
    const fetch = buffers.make([16], { space: 'fetch', index: 0 });
    const step = [instruction('unary', [buffers.make([16], { space: 'arena' }, { name: 'ghost' })], [fetch])];
    expect(() => planMemory({ prepare: [], step, feeds: [], fetches: [fetch] })).toThrow('"ghost" is read by instruction 0');
  });
});

describe('schedule', () => {
  test('keeps what the program computes', () => {
    for (const seed of seeds) {
      const lists = randomLists(seed);
      const ordered = atOnce(schedule(lists));
      expect([...ordered.step].sort(byName)).toEqual([...lists.step].sort(byName));
      expect([seed, runOnSymbols(ordered, planMemory(ordered))]).toEqual([seed, runOnSymbols(lists)]);
    }
  });

  test('is a fixed function of its input', () => {
    const names = (seed: number): string[] => atOnce(schedule(randomLists(seed))).step.map((each) => each.name);
    for (const seed of seeds.slice(0, 20)) expect(names(seed)).toEqual(names(seed));
  });

  test('runs packs before their readers and updates right after their gradients', () => {
    const buffers = new Buffers();
    const [x, lr] = [buffers.make([8, 8], { space: 'feed', index: 0 }), buffers.make([1], { space: 'feed', index: 1 })];
    const loss = buffers.make([8, 8], { space: 'fetch', index: 0 });
    const layers = [0, 1, 2].map((i) => {
      const weight = buffers.make([8, 8], { space: 'state', variable: variable([8, 8], `w${i}`) });
      const make = (): ReturnType<Buffers['make']> => buffers.make([8, 8]);
      return { weight, packed: make(), backPacked: make(), y: make(), dy: make(), gradient: make() };
    });
    const packs = layers.flatMap((l, i) => [
      instruction('matmul_pack', [l.weight], [l.packed], {}, `pack${i}`),
      instruction('matmul_pack', [l.weight], [l.backPacked], { transpose: 1 }, `packBack${i}`),
    ]);
    const inputOf = (i: number): ReturnType<Buffers['make']> => layers[i - 1]?.y ?? x;
    const forward = layers.map((l, i) => instruction('matmul', [inputOf(i), l.packed, null, null], [l.y], {}, `forward${i}`));
    const lossStep = instruction('unary', [layers[2]!.y], [loss], {}, 'loss');
    const start = instruction('unary', [layers[2]!.y], [layers[2]!.dy], {}, 'dLoss');
    const backward = [2, 1].map((i) =>
      instruction('matmul', [layers[i]!.dy, layers[i]!.backPacked, null, null], [layers[i - 1]!.dy], {}, `backward${i}`),
    );
    const gradients = [0, 1, 2].map((i) =>
      instruction('matmul_at_b', [inputOf(i), layers[i]!.dy], [layers[i]!.gradient, null], {}, `gradient${i}`),
    );
    const updates = layers.map((l, i) => instruction('sgd', [l.gradient, lr], [l.weight, null], {}, `update${i}`));
    const usedPacks = packs.filter((p) => p.name !== 'packBack0');
    const step = [...usedPacks, ...forward, lossStep, start, ...backward, ...gradients, ...updates];
    expect(atOnce(schedule({ prepare: [], step, feeds: [x, lr], fetches: [loss] })).step.map((each) => each.name)).toEqual([
      ...['pack0', 'forward0', 'pack1', 'forward1', 'pack2', 'forward2', 'loss', 'dLoss', 'gradient2'],
      ...['packBack2', 'update2', 'backward2', 'gradient1', 'packBack1', 'update1', 'backward1', 'gradient0', 'update0'],
    ]);
  });
});

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
