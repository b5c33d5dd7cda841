/**
 * Models learn eight images by heart: those of examples/overfit.ts that take a second or two. The others are too slow for a test; the
 * example runs them all.
 */

import { LEARNED, overfit, ROWS } from '../../examples/overfit';

const QUICK = ['lenet5', 'googlenet', 'resnet18', 'resnet50', 'densenet121', 'mobilenetV2', 'resnetCifar20'];

test.each(ROWS.filter(({ name }) => QUICK.includes(name)).map((row) => [row.name, row] as const))('%s overfits', async (_, row) => {
  expect((await overfit(row)).last).toBeLessThan(LEARNED);
});
