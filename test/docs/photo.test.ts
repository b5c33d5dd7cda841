/** The example that opens the chapter: counted, not allocated. */

import { photo } from '../../examples/photo';

test('a dense layer on a photo has 3.6 billion weights, a convolution 2,800', () => {
  const before = process.memoryUsage().rss;
  const { dense, convolution } = photo();
  expect([dense.parameters, dense.parameterBytes]).toEqual([3_600_000_100, 14_400_000_400]);
  expect([convolution.parameters, convolution.multiplyAdds]).toEqual([2800, 32.4e9]);
  expect(String(dense)).toContain('3,600,000,100');
  expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
});
