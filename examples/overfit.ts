/**
 * Every model of `models` learns eight images by heart, at the smallest size at which it does so readily: a check that its layers, their
 * gradients and its initial weights work together. All models, or those named:
 *
 *   npx ts-node examples/overfit.ts [MODEL...]
 *
 * All of them take some ten minutes on two cores, most of it for the VGG networks. It says nothing about how well a model generalises.
 */

import { manualSeed, models, optim, randn, tensor, Trainer, type nn, type Tensor } from 'stridenet';

export interface Row {
  readonly name: string;
  readonly build: () => nn.Module;
  /** Height and width of the images. */
  readonly size: number;
  /** Default 3. */
  readonly channels?: number;
  /** Learning rate; momentum is 0.9. */
  readonly lr: number;
  /** The most steps that it may take. */
  readonly steps: number;
}

export interface Outcome {
  readonly steps: number;
  readonly first: number;
  readonly last: number;
}

/** A loss below this counts as learned by heart. */
export const LEARNED = 0.05;

const IMAGES = 8;
const CLASSES = 4;
/** Images are made of so many patches along each axis. */
const PATCHES = 4;

const options = { classes: CLASSES };
const withoutDropout = { classes: CLASSES, dropout: 0 };

/**
 * Without batch normalisation, images that differ are hard to tell apart at first: the loss stays near log(classes) for dozens of steps and
 * then falls at once, which too large a rate turns into an explosion.
 */
export const ROWS: readonly Row[] = [
  { name: 'lenet5', build: () => models.lenet5(options), size: 28, channels: 1, lr: 0.02, steps: 60 },
  { name: 'alexnet', build: () => models.alexnet(withoutDropout), size: 63, lr: 0.01, steps: 120 },
  { name: 'vgg11', build: () => models.vgg11(withoutDropout), size: 32, lr: 0.01, steps: 60 },
  { name: 'vgg13', build: () => models.vgg13(withoutDropout), size: 32, lr: 0.01, steps: 60 },
  { name: 'vgg16', build: () => models.vgg16(withoutDropout), size: 32, lr: 0.005, steps: 120 },
  { name: 'vgg19', build: () => models.vgg19(withoutDropout), size: 32, lr: 0.005, steps: 300 },
  { name: 'vgg11bn', build: () => models.vgg11bn(withoutDropout), size: 32, lr: 0.005, steps: 30 },
  { name: 'vgg13bn', build: () => models.vgg13bn(withoutDropout), size: 32, lr: 0.005, steps: 30 },
  { name: 'vgg16bn', build: () => models.vgg16bn(withoutDropout), size: 32, lr: 0.005, steps: 30 },
  { name: 'vgg19bn', build: () => models.vgg19bn(withoutDropout), size: 32, lr: 0.005, steps: 30 },
  // Its class scores pass a ReLU: with few classes, or one pixel left to average over, they are soon dead.
  { name: 'nin', build: () => models.nin({ classes: 10, dropout: 0 }), size: 128, lr: 0.0075, steps: 300 },
  { name: 'googlenet', build: () => models.googlenet({ ...withoutDropout, dropoutAux: 0 }), size: 32, lr: 0.02, steps: 60 },
  { name: 'resnet18', build: () => models.resnet18(options), size: 32, lr: 0.02, steps: 30 },
  { name: 'resnet34', build: () => models.resnet34(options), size: 32, lr: 0.02, steps: 30 },
  { name: 'resnet50', build: () => models.resnet50(options), size: 32, lr: 0.005, steps: 30 },
  { name: 'resnet101', build: () => models.resnet101(options), size: 32, lr: 0.002, steps: 60 },
  { name: 'resnet152', build: () => models.resnet152(options), size: 32, lr: 0.0005, steps: 60 },
  { name: 'densenet121', build: () => models.densenet121(options), size: 32, lr: 0.02, steps: 30 },
  { name: 'mobilenetV2', build: () => models.mobilenetV2(withoutDropout), size: 32, lr: 0.05, steps: 60 },
  { name: 'resnetCifar20', build: () => models.resnetCifar(20, options), size: 16, lr: 0.05, steps: 40 },
  { name: 'resnetCifar56', build: () => models.resnetCifar(56, options), size: 16, lr: 0.05, steps: 60 },
];

/** Images of random patches, [IMAGES, channels, size, size]; no pixel by itself tells the class. */
function patches(channels: number, size: number): Tensor {
  const colours = randn([IMAGES, channels, PATCHES, PATCHES], { seed: 3 }).dataSync();
  const images = new Float32Array(IMAGES * channels * size * size);
  for (let i = 0; i < images.length; i++) {
    const [x, y, plane] = [i % size, Math.floor(i / size) % size, Math.floor(i / (size * size))];
    const [column, row] = [x, y].map((at) => Math.floor((at * PATCHES) / size)) as [number, number];
    images[i] = colours[(plane * PATCHES + row) * PATCHES + column]!;
  }
  return tensor(images, [IMAGES, channels, size, size]);
}

/** Trains until the loss is below LEARNED or the steps are used up. */
export async function overfit({ build, size, channels = 3, lr, steps }: Row): Promise<Outcome> {
  manualSeed(1);
  const images = patches(channels, size);
  const labels = Int32Array.from({ length: IMAGES }, (_, i) => i % CLASSES);
  using trainer = new Trainer(build(), { optimizer: optim.sgd({ lr, momentum: 0.9 }), input: [channels, size, size], batchSize: IMAGES });
  const losses: number[] = [];
  while (losses.length < steps && !(losses.at(-1)! < LEARNED)) losses.push((await trainer.step(images, labels)).loss);
  return { steps: losses.length, first: losses[0]!, last: losses.at(-1)! };
}

async function main(names: readonly string[]): Promise<void> {
  console.log('model          size     lr  steps  first loss  last loss  seconds');
  for (const row of ROWS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const start = performance.now();
    const { steps, first, last } = await overfit(row);
    const numbers = [
      String(row.size).padStart(5),
      String(row.lr).padStart(7),
      String(steps).padStart(7),
      first.toFixed(4).padStart(12),
      last.toFixed(4).padStart(11),
      ((performance.now() - start) / 1000).toFixed(1).padStart(9),
    ];
    console.log(row.name.padEnd(14) + numbers.join('') + (last < LEARNED ? '' : '  not learned'));
    if (!(last < LEARNED)) process.exitCode = 1;
  }
}

if (require.main === module) void main(process.argv.slice(2));
