import { confusion, formatConfusion, topClasses } from '../../lib/cli/predictions';

it('confusion counts labels by prediction', () => {
  const counts = confusion(Uint8Array.of(0, 0, 1, 1, 1), Int32Array.of(0, 1, 1, 1, 0), 3);
  expect(counts).toEqual([[1, 1, 0], [1, 2, 0], [0, 0, 0]]); // prettier-ignore
  expect(formatConfusion(counts, ['cat', 'mouse', 'owl'])).toBe(
    [
      'Confusion matrix: true classes down, predicted classes across',
      '          0  1  2    found',
      '  cat 0   1  1  .   50.0 %',
      'mouse 1   1  2  .   66.7 %',
      '  owl 2   .  .  .        -',
    ].join('\n'),
  );
});

it('topClasses turns scores into probabilities, greatest first, without overflow', () => {
  const top = topClasses(Float32Array.of(1000, 1000 + Math.log(3), -1000), 2);
  expect(top.map(({ label }) => label)).toEqual([1, 0]);
  expect(top[0]!.probability).toBeCloseTo(0.75, 4);
  expect(top[1]!.probability).toBeCloseTo(0.25, 4);
  expect(topClasses([1, 1], 5).map(({ label }) => label)).toEqual([0, 1]);
});
