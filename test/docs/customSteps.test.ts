/** The examples of steps of one's own learn something, in fewer steps than they take by themselves. */

import { gan } from '../../examples/gan';
import { siamese } from '../../examples/siamese';

test('a siamese network tells pairs of test images of one class from others', async () => {
  const lines: string[] = [];
  const { before, after } = await siamese(400, (line) => lines.push(line));
  expect(before).toBeLessThan(0.6);
  expect(after).toBeGreaterThan(0.78);
  expect(lines).toHaveLength(2);
});

test('images of a GAN come closer to real ones', async () => {
  const lines: string[] = [];
  const { before, after } = await gan(100, (line) => lines.push(line));
  expect(after.mean).toBeLessThan(0.6 * before.mean);
  expect(after.deviation).toBeLessThan(0.6 * before.deviation);
  expect(lines[0]).toMatch(/^step {3}100 {2}discriminator [\d.]+ {2}generator [\d.]+$/);
});
