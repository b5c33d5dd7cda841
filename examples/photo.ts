/**
 * Why convolutions: the opening example of the chapter. A fully connected layer that sees a 12-megapixel colour photo, 36 million numbers, through 100
 * units has 3.6 billion weights; a 3 x 3 convolution with 100 channels has 2,800. summary() counts without allocating:
 *
 *   npx ts-node examples/photo.ts
 */

import { nn, summary } from 'stridenet';

const HEIGHT = 3000;
const WIDTH = 4000;

/** The fully connected layer and the convolution on the same photo. */
export function photo(): { dense: ReturnType<typeof summary>; convolution: ReturnType<typeof summary> } {
  const dense = new nn.Sequential(new nn.Flatten(), new nn.Linear(3 * HEIGHT * WIDTH, 100));
  const convolution = new nn.Conv2d(3, 100, 3, { padding: 1 });
  return { dense: summary(dense, [1, 3, HEIGHT, WIDTH]), convolution: summary(convolution, [1, 3, HEIGHT, WIDTH]) };
}

if (require.main === module) {
  const [start, before] = [performance.now(), process.memoryUsage().rss];
  const { dense, convolution } = photo();
  console.log(`${dense}\n\n${convolution}\n`);
  const grown = (process.memoryUsage().rss - before) / 1e6;
  console.log(`${((performance.now() - start) / 1000).toFixed(2)} s, in which this process grew by ${grown.toFixed(0)} MB`);
}
