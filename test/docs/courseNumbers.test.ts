/** The numbers that the course prints, from the example in examples/. */

import { courseNumbers } from '../../examples/courseNumbers';

const EDGES = Array.from({ length: 6 }, () => '0 1 0 0 0 -1 0').join(' / ');
const NO_EDGES = Array.from({ length: 8 }, () => '0 0 0 0 0').join(' / ');

test('the numbers of the course', () => {
  const results = Object.fromEntries(courseNumbers());
  expect(results).toMatchObject({
    '3x3 input, 2x2 kernel': '19 25 / 37 43',
    'with padding 1': '0 3 8 4 / 9 19 25 10 / 21 37 43 16 / 6 7 8 0',
    'strides 3 and 2, padding 1': '0 8 / 6 8',
    'two input channels': '56 72 / 104 120',
    'three output channels': '56 72 / 104 120 / 76 100 / 148 172 / 96 128 / 192 224',
    'maximum pooling': '4 5 / 7 8',
    'average pooling': '2 3 / 5 6',
    'vertical edges': EDGES,
    'vertical edges of the transposed image': NO_EDGES,
    '1x1 convolution as a dense layer': 'largest difference 0',
  });
  for (const [what, result] of Object.entries(results)) {
    if (!what.startsWith('n ')) continue;
    const [layer, formula] = result.split(' = ');
    expect(`${what}: ${layer}`).toBe(`${what}: ${formula}`);
  }
});
