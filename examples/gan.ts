/**
 * A generative adversarial network on Fashion-MNIST, or on the images that come with the package: one network draws garments out of noise, another tells them
 * from real ones, and both learn in one step with an optimizer each (Goodfellow et al., 2014; layers as in Radford, Metz and Chintala, 2015).
 *
 *   npx ts-node examples/gan.ts [STEPS]
 *
 * How far it has come is measured by the mean image and by how each pixel varies: the distance of both from those of real images.
 */

import { compile, compileStep, data, manualSeed, nn, ops, optim, randn, StridenetError, zeros, full, type Tensor } from 'stridenet';

const BATCH = 64;
const NOISE = 32;
const PIXELS = 28 * 28;
/** Images that are compared. */
const COMPARED = 512;
/** Real images count as so real, so that the discriminator is never too sure (Salimans et al., 2016). */
const REAL = 0.9;

/** Twice the height and width, each pixel repeated. */
class Upsample extends nn.Module {
  forward(x: Tensor): Tensor {
    const [n, c, h, w] = x.shape as [number, number, number, number];
    return ops.broadcastTo(x.reshape([n, c, h, 1, w, 1]), [n, c, h, 2, w, 2]).reshape([n, c, 2 * h, 2 * w]);
  }
}

/** From noise, [n, NOISE], to images in [-1, 1], [n, 1, 28, 28]. */
class Generator extends nn.Module {
  readonly project = new nn.Linear(NOISE, 32 * 7 * 7);
  readonly draw = new nn.Sequential(
    new nn.BatchNorm2d(32),
    new nn.ReLU(),
    new Upsample(),
    new nn.Conv2d(32, 16, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new Upsample(),
    new nn.Conv2d(16, 1, 3, { padding: 1 }),
    new nn.Tanh(),
  );
  forward(noise: Tensor): Tensor {
    return this.draw.forward(this.project.forward(noise).reshape([noise.shape[0]!, 32, 7, 7]));
  }
}

/** From images to one number each, above 0 for what looks real. */
function makeDiscriminator(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(1, 16, 4, { stride: 2, padding: 1 }),
    new nn.LeakyReLU({ negativeSlope: 0.2 }),
    new nn.Conv2d(16, 32, 4, { stride: 2, padding: 1 }),
    new nn.LeakyReLU({ negativeSlope: 0.2 }),
    new nn.Flatten(),
    new nn.Linear(32 * 7 * 7, 1),
  );
}

/** Fashion-MNIST if this machine has it, else the part of it that comes with the package. */
async function garments(): Promise<data.Dataset> {
  try {
    return (await data.fashionMnist()).train;
  } catch (error) {
    if (error instanceof StridenetError && error.code === 'ERR_DATA_UNAVAILABLE') return (await data.mini()).train;
    throw error;
  }
}

/** Mean and standard deviation of each pixel. */
function statisticsOf(images: ArrayLike<number>, scale: (value: number) => number): { mean: Float64Array; deviation: Float64Array } {
  const count = images.length / PIXELS;
  const [mean, squares] = [new Float64Array(PIXELS), new Float64Array(PIXELS)];
  for (let i = 0; i < images.length; i++) {
    const value = scale(images[i]!);
    mean[i % PIXELS]! += value / count;
    squares[i % PIXELS]! += value ** 2 / count;
  }
  return { mean, deviation: squares.map((square, p) => Math.sqrt(Math.max(0, square - mean[p]! ** 2))) };
}

const distance = (a: Float64Array, b: Float64Array): number => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / a.length);

/** How far generated images are from real ones. */
export interface Distance {
  /** Of the mean images, root mean square over the pixels, whose range is 2. */
  readonly mean: number;
  /** Of the standard deviations of the pixels, likewise. */
  readonly deviation: number;
}

async function distanceOf(generator: nn.Module, real: data.Dataset): Promise<Distance> {
  const net = await compile(generator, { input: [NOISE], maxBatch: COMPARED });
  try {
    const drawn = statisticsOf(await (await net.run(randn([COMPARED, NOISE], { seed: 1 }))).data(), (value) => value);
    const wanted = statisticsOf(real.images.subarray(0, COMPARED * PIXELS), (value) => value / 127.5 - 1);
    return { mean: distance(drawn.mean, wanted.mean), deviation: distance(drawn.deviation, wanted.deviation) };
  } finally {
    net.close();
  }
}

/** Trains for some steps. @returns the distance of generated images from real ones before and after */
export async function gan(steps: number, log: (line: string) => void = () => undefined): Promise<{ before: Distance; after: Distance }> {
  manualSeed(1);
  const real = await garments();
  const [generator, discriminator] = [new Generator(), makeDiscriminator()];
  const options = { lr: 1e-3, betas: [0.5, 0.999] } as const;
  const [gOptimizer, dOptimizer] = [optim.adam(options), optim.adam({ ...options, lr: 5e-4 })];
  using step = compileStep<{ dLoss: number; gLoss: number }>(
    (io) => {
      const judgedReal = io.call(discriminator, io.input('images'));
      const judgedFake = io.call(discriminator, io.call(generator, io.input('noise')));
      const dLoss = ops.add(ops.bceWithLogits(judgedReal, full([BATCH, 1], REAL)), ops.bceWithLogits(judgedFake, zeros([BATCH, 1])));
      const gLoss = ops.bceWithLogits(judgedFake, full([BATCH, 1], 1));
      return {
        updates: [io.minimize(dLoss, discriminator, dOptimizer), io.minimize(gLoss, generator, gOptimizer)],
        outputs: { dLoss, gLoss },
      };
    },
    {
      inputs: { images: { shape: [BATCH, 1, 28, 28], dtype: 'uint8', scale: 1 / 127.5, mean: [1] }, noise: [BATCH, NOISE] },
    },
  );
  const before = await distanceOf(generator, real);
  const batches = Math.floor(real.length / BATCH);
  for (let i = 0; i < steps; i++) {
    const start = (i % batches) * BATCH;
    const images = real.images.subarray(start * PIXELS, (start + BATCH) * PIXELS);
    const { dLoss, gLoss } = await step.run({ images, noise: randn([BATCH, NOISE], { seed: i }) });
    if ((i + 1) % 100 === 0) {
      log(`step ${String(i + 1).padStart(5)}  discriminator ${dLoss.toFixed(3)}  generator ${gLoss.toFixed(3)}`);
    }
  }
  return { before, after: await distanceOf(generator, real) };
}

async function main(steps: number): Promise<void> {
  const start = performance.now();
  const { before, after } = await gan(steps, console.log);
  const line = ({ mean, deviation }: Distance): string => `mean ${mean.toFixed(3)}, deviation ${deviation.toFixed(3)}`;
  console.log(`distance from real images before: ${line(before)}`);
  console.log(`and after ${((performance.now() - start) / 1000).toFixed(1)} s: ${line(after)}`);
}

if (require.main === module) void main(Number(process.argv[2] ?? 600));
