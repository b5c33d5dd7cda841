/**
 * Prints the relative error of every sum in test/support/longSums.ts for 10^4 to 10^8 numbers, of equal numbers and of spread ones whichever
 * is larger, below the error of a pairwise sum in float32. test/ops/longSums.test.ts bounds the shorter ones.
 *
 *   npm run build && npx ts-node --transpile-only scripts/sumTable.ts [part of a name] [largest exponent]
 */

import '../lib';
import { equalTerms, errorOf, LONG_SUMS, pairwise, spreadTerms, type Terms } from '../test/support/longSums';

const [part = '', largest = '8'] = process.argv.slice(2);
const exponents = [4, 5, 6, 7, 8].filter((exponent) => exponent <= Number(largest));
const cell = (value: number | undefined): string => (value === undefined ? '' : value.toExponential(1)).padStart(9);
const line = (name: string, cells: readonly string[]): void => console.log(`${name.padEnd(64)}${cells.join('')}`);

async function worst(measure: (terms: Terms) => number | Promise<number>, n: number): Promise<number> {
  return Math.max(await measure(equalTerms(n)), await measure(spreadTerms(n)));
}

async function main(): Promise<void> {
  line(
    'relative error of',
    exponents.map((exponent) => `10^${exponent}`.padStart(9)),
  );
  const halves = [];
  for (const exponent of exponents) halves.push(await worst(({ values, sum }) => Math.abs(pairwise(values) - sum) / sum, 10 ** exponent));
  line('pairwise sum in float32', halves.map(cell));
  for (const sum of LONG_SUMS.filter(({ name }) => name.includes(part))) {
    const errors = [];
    for (const exponent of exponents) {
      errors.push(10 ** exponent > sum.most ? undefined : await worst((terms) => errorOf(sum, terms), 10 ** exponent));
    }
    line(sum.name, errors.map(cell));
  }
}

void main();
