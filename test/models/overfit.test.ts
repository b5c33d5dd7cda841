/** Models learn eight images by heart at a small size: the gradients of all their layers work together. */

import { manualSeed, models, optim, Trainer, type nn } from 'stridenet';
import { Philox } from '../../lib/random';

const CLASSES = 4;

/** Images of noise; the class is in no single pixel. */
function data(size: number, count = 8): { images: Float32Array; labels: Int32Array } {
  const images = new Philox(3).fillNormal(new Float32Array(count * 3 * size * size));
  return { images, labels: Int32Array.from({ length: count }, (_, i) => i % CLASSES) };
}

const TABLE: readonly [name: string, build: () => nn.Module, size: number, lr: number, steps: number][] = [
  ['googlenet', () => models.googlenet({ classes: CLASSES, dropout: 0, dropoutAux: 0 }), 32, 0.02, 60],
  ['resnetCifar(20)', () => models.resnetCifar(20, { classes: CLASSES }), 16, 0.05, 40],
  ['mobilenetV2', () => models.mobilenetV2({ classes: CLASSES, dropout: 0 }), 32, 0.05, 60],
];

test.each(TABLE)('%s overfits eight images', async (_, build, size, lr, steps) => {
  manualSeed(1);
  const { images, labels } = data(size);
  const trainer = new Trainer(build(), { optimizer: optim.sgd({ lr, momentum: 0.9 }), input: [3, size, size], batchSize: 8 });
  try {
    const losses: number[] = [];
    while (losses.length < steps && !(losses.at(-1)! < 0.05)) losses.push((await trainer.step(images, labels)).loss);
    expect(losses.at(-1)).toBeLessThan(0.05);
  } finally {
    trainer.close();
  }
});
