/** The table of models by name: each takes images of the size that the table says, and none that are smaller. */

import { MODELS } from '../../lib/models/catalogue';
import { zeros } from '../../lib/graph/leaves';

test.each(Object.entries(MODELS))('%s', (_, { input: [channels, height, width], smallest, build }) => {
  const model = build({ classes: 4, inChannels: channels }).eval();
  const outputOf = (...size: [number, number]): readonly number[] => model.forward(zeros([1, channels, ...size])).shape;
  expect(outputOf(height, width)).toEqual([1, 4]);
  if (smallest === undefined) return;
  expect(outputOf(smallest, smallest)).toEqual([1, 4]);
  if (smallest > 1) expect(() => outputOf(smallest - 1, smallest - 1)).toThrow(/ at least /);
});
