/** The costs by which algorithms are chosen: how they are fitted, and that the header is what the measurements give. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { binding } from '../../lib/runtime/binding';
import { judgeChoices } from '../../scripts/costs/choices';
import { estimate, fitCosts, type Fits } from '../../scripts/costs/fit';
import { headerText, ISAS } from '../../scripts/costs/header';
import { leastSquares } from '../../scripts/costs/leastSquares';
import { readMeasurements, type Measurement } from '../../scripts/costs/measurements';
import { planConvolutions } from '../../scripts/costs/plans';
import { RULES_OF_THUMB } from '../../scripts/costs/rulesOfThumb';

const kinds = binding().workKinds();

describe('least squares without negative coefficients', () => {
  test('finds those that targets were made of', () => {
    const rows = Array.from({ length: 30 }, (_, i) => [1 + (i % 7), (i * i) % 11, 5 + (i % 3)]);
    const made = [0.5, 0, 2];
    const found = leastSquares(rows, rows.map((row) => row.reduce((sum, x, j) => sum + x * made[j]!, 0))); // prettier-ignore
    for (const [j, x] of found.entries()) expect(x).toBeCloseTo(made[j]!, 6);
  });

  test('keeps at 0 what would be negative, and what no row has', () => {
    // Without the bound the first would be -1.
    const found = leastSquares([[1, 1, 0], [0, 1, 0]], [1, 2]); // prettier-ignore
    expect(found[0]).toBe(0);
    expect(found[1]).toBeCloseTo(1.5, 9);
    expect(found[2]).toBe(0);
  });
});

describe('fitted costs', () => {
  const ways = planConvolutions(['lenet5'], [8], 'avx2');
  /** Operations that take what a processor of these costs takes. */
  const measurementsOf = (costs: readonly number[]): Measurement[] =>
    [...ways].flatMap(([what, all]) =>
      all.map(({ name, plan, pack }) => {
        const [algorithm, widen] = name.split(' x') as [string, string | undefined];
        const milliseconds = (one: typeof plan): number => 1e-6 * estimate(one, costs);
        return {
          what,
          algorithm,
          widen: Number(widen ?? 1),
          milliseconds: milliseconds(plan),
          packMilliseconds: pack ? milliseconds(pack) : 0,
        };
      }),
    );

  test('explain measurements that they were made of, and choose the fastest', () => {
    const costs = kinds.map((kind, i) => (0.3 + 0.05 * (i % 5)) * RULES_OF_THUMB[kind]!);
    const measured = { machine: 'made up', models: ['lenet5'], batches: [8], rows: measurementsOf(costs) };
    const fit = fitCosts(kinds, measured, ways);
    expect(measured.rows.length).toBeGreaterThan(20);
    for (const { median } of fit.errors.values()) expect(median).toBeLessThan(0.05);
    const choices = judgeChoices(
      measured,
      ways,
      kinds.map((kind) => fit.costs.get(kind)!),
    );
    expect(choices.operations).toBe(ways.size);
    expect(choices.chosen / choices.best).toBeLessThan(1.02);
  });

  test('measurements of what is no longer planned are refused', () => {
    const rows = [{ what: 'conv2d 1x1x1 to 1 1x1 b1', algorithm: 'direct', widen: 1, milliseconds: 1, packMilliseconds: 0 }];
    expect(() => fitCosts(kinds, { machine: '', models: [], batches: [], rows }, ways)).toThrow(/no longer plans/);
  });
});

test('every kind of work has a rule of thumb, and every rule is one of a kind', () => {
  expect(Object.keys(RULES_OF_THUMB)).toEqual(kinds);
});

test('native/kernels/costs.h is what bench/costs gives', () => {
  const fits: Fits = new Map();
  for (const isa of ISAS) {
    const measured = readMeasurements(isa);
    if (measured) fits.set(isa, fitCosts(kinds, measured, planConvolutions(measured.models, measured.batches, isa)));
  }
  const header = path.join(__dirname, '..', '..', 'native', 'kernels', 'costs.h');
  expect(readFileSync(header, 'utf8')).toBe(headerText(kinds, fits));
});
