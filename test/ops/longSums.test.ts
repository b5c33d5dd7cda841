/**
 * Sums of very many numbers, of every kind of kernel that adds: their error grows with the logarithm of how many there are, and their bits
 * do not depend on the number of threads. scripts/sumTable.ts prints the errors up to 10^8 numbers.
 */

import 'stridenet';
import { equalTerms, errorBound, errorOf, LONG_SUMS, pairwise, spreadTerms } from '../support/longSums';
import { runGraph, sameBits } from '../support/runGraph';

jest.setTimeout(300_000);

const TERMS = [1e4, 1e5, 1e6].flatMap((n) => [equalTerms(n), spreadTerms(n)]);
/** Ten times as many terms are worth their time where a term is one number, a tenth where it is very many. */
const LONG = /^(sum|mean|globalAvgPool2d|avgPool2d|batch normalisation of 1 .*|softmax.*|linear of 1,.*)$/;
const SHORT = / of (64|80)\b/;

test('the yardstick: by halves', () => {
  for (const { values, sum } of TERMS) expect(Math.abs(pairwise(values) - sum) / sum).toBeLessThan(8 * 2 ** -24);
});

test.each(LONG_SUMS.map((sum) => [sum.name, sum] as const))('%s', async (name, sum) => {
  const most = Math.min(sum.most, LONG.test(name) ? 1e6 : SHORT.test(name) ? 1e4 : 1e5);
  const terms = TERMS.filter(({ values }) => values.length <= most);
  expect(terms.length).toBeGreaterThan(0);
  for (const some of terms) expect(await errorOf(sum, some)).toBeLessThan(errorBound(sum, some.values.length));
  const { result } = sum.graph(terms.at(-1)!);
  const [first, ...others] = [1, 2, 3].map((threads) => runGraph([result], { name: `${threads} threads`, threads })[0]!);
  for (const other of others) expect(sameBits(other, first!)).toBe(true);
});
