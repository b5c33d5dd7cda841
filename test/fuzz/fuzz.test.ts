/**
 * The fuzzers, briefly: `npm run fuzz` runs them for longer. A finding names the seed that shows it, which runs alone with
 * `npm run fuzz -- --kind KIND --seed SEED --count 1 --verbose`.
 */

import { runCampaign } from './campaign';

test.each([
  { kind: 'calls', count: 1500 },
  { kind: 'files', count: 1500 },
  { kind: 'graphs', count: 25 },
])('$count cases of $kind', async ({ kind, count }) => {
  expect(await runCampaign({ kind, count, seed: 1 })).toEqual([]);
}, 300_000); // prettier-ignore

test('a crash is reported with the case that crashed', async () => {
  const found = await runCampaign({ kind: 'crashes', count: 5, seed: 10 });
  expect(found.map(({ seed, signature }) => [seed, signature.split(':')[0]])).toEqual([
    [11, 'the process ended with code 7'],
    [12, 'uncaught exception'],
    [13, 'unhandled rejection'],
  ]);
});
