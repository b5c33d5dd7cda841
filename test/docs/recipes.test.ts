/** Every recipe learns the first images of the data set, with all that it does to them. */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { recipe as lenet } from '../../examples/recipes/lenet';
import { recipe as mlp } from '../../examples/recipes/mlp';
import { recipe as resnet } from '../../examples/recipes/resnet';
import { recipe as vgg } from '../../examples/recipes/vgg';
import { data, fit, manualSeed } from '../../lib';

const RECIPES = { lenet, mlp, resnet, vgg };

test('all recipes are tried', () => {
  const files = readdirSync(path.join(__dirname, '..', '..', 'examples', 'recipes')).filter((file) => file.endsWith('.ts'));
  expect(files).toEqual([...Object.keys(RECIPES), 'recipe'].sort().map((name) => `${name}.ts`));
});

test.each(Object.entries(RECIPES))('%s', async (_, { model, options }) => {
  manualSeed(1);
  const { train } = await data.mini();
  const few = data.take(train, 128);
  const { epochs } = await fit(model(), few, { ...options, batchSize: 32, epochs: 4, seed: 1, progress: false });
  expect(epochs[3]!.loss).toBeLessThan(0.8 * epochs[0]!.loss);
});
