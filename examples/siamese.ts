/**
 * A siamese network: two images go through one network, which learns to put images of one class close together and others apart (Hadsell,
 * Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006). Pairs of Fashion-MNIST, or of the images that come
 * with the package:
 *
 *   npx ts-node examples/siamese.ts [STEPS]
 */

import { compile, compileStep, data, manualSeed, nn, ops, optim, StridenetError, type Tensor } from 'stridenet';

const BATCH = 64;
/** Images of different classes are to be further apart than this. */
const MARGIN = 1;
const FEATURES = 16;
const TEST_PAIRS = 2000;

/** Two images, and whether they show the same class. */
interface Pairs {
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  /** 1 for the same class, else 0. */
  readonly same: Float32Array;
}

/** Fashion-MNIST if this machine has it, else the part of it that comes with the package. */
async function images(): Promise<data.TrainTest> {
  try {
    return await data.fashionMnist();
  } catch (error) {
    if (error instanceof StridenetError && error.code === 'ERR_DATA_UNAVAILABLE') return data.mini();
    throw error;
  }
}

/** From an image to a point of its class. */
function makeTower(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(1, 8, 3, { stride: 2, padding: 1 }),
    new nn.ReLU(),
    new nn.Conv2d(8, 16, 3, { stride: 2, padding: 1 }),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(16 * 7 * 7, FEATURES),
  );
}

/** The square of the distance for the same class; for others that of what the distance lacks of the margin. */
function contrastiveLoss(left: Tensor, right: Tensor, same: Tensor): Tensor {
  const difference = ops.sub(left, right);
  const squared = ops.sum(ops.mul(difference, difference), { axis: 1 });
  // The root has no derivative at 0.
  const lack = ops.relu(ops.sub(MARGIN, ops.sqrt(ops.add(squared, 1e-6))));
  return ops.mean(ops.add(ops.mul(same, squared), ops.mul(ops.sub(1, same), ops.mul(lack, lack))));
}

/** Random pairs, half of them of one class. */
class PairSource {
  private readonly byClass: number[][];
  private state: number;

  constructor(
    private readonly dataset: data.Dataset,
    seed: number,
  ) {
    this.state = seed;
    this.byClass = dataset.classes.map(() => []);
    dataset.labels.forEach((label, i) => this.byClass[label]!.push(i));
  }

  draw(count: number): Pairs {
    const size = 28 * 28;
    const pairs = { left: new Uint8Array(count * size), right: new Uint8Array(count * size), same: new Float32Array(count) };
    for (let i = 0; i < count; i++) {
      const a = this.below(this.byClass.length);
      const b = i % 2 === 0 ? a : (a + 1 + this.below(this.byClass.length - 1)) % this.byClass.length;
      pairs.left.set(this.image(a), i * size);
      pairs.right.set(this.image(b), i * size);
      pairs.same[i] = a === b ? 1 : 0;
    }
    return pairs;
  }

  private image(label: number): Uint8Array {
    const index = this.byClass[label]![this.below(this.byClass[label]!.length)]!;
    return this.dataset.images.subarray(index * 784, (index + 1) * 784) as Uint8Array;
  }

  /** A whole number in [0, n), the same on every machine (mulberry32). */
  private below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }
}

/** The share of pairs that are told right: those closer than half the margin are taken for the same class. */
async function accuracy(tower: nn.Module, { left, right, same }: Pairs): Promise<number> {
  const net = await compile(tower, { input: [1, 28, 28], maxBatch: 256 });
  try {
    const points: Float32Array[] = [];
    for (const side of [left, right]) points.push(await (await net.run(side)).data());
    const [a, b] = points as [Float32Array, Float32Array];
    let hits = 0;
    for (let i = 0; i < same.length; i++) {
      let squared = 0;
      for (let k = i * FEATURES; k < (i + 1) * FEATURES; k++) squared += (a[k]! - b[k]!) ** 2;
      if (Math.sqrt(squared) < MARGIN / 2 === (same[i] === 1)) hits++;
    }
    return hits / same.length;
  } finally {
    net.close();
  }
}

/** Trains for some steps. @returns the accuracy on pairs of test images before and after */
export async function siamese(steps: number, log: (line: string) => void = () => undefined): Promise<{ before: number; after: number }> {
  manualSeed(1);
  const { train, test } = await images();
  const tower = makeTower();
  const optimizer = optim.adam({ lr: 1e-3 });
  const image = { shape: [BATCH, 1, 28, 28], dtype: 'uint8' } as const;
  using step = compileStep(
    (io) => ({ loss: contrastiveLoss(io.call(tower, io.input('left')), io.call(tower, io.input('right')), io.input('same')) }),
    { inputs: { left: image, right: image, same: [BATCH] }, model: tower, optimizer },
  );
  const [pairs, testPairs] = [new PairSource(train, 1), new PairSource(test, 2).draw(TEST_PAIRS)];
  const before = await accuracy(tower, testPairs);
  let sum = 0;
  for (let i = 1; i <= steps; i++) {
    sum += (await step.run({ ...pairs.draw(BATCH) })).loss;
    if (i % 200 > 0) continue;
    log(`step ${String(i).padStart(5)}  loss ${(sum / 200).toFixed(4)}`);
    sum = 0;
  }
  return { before, after: await accuracy(tower, testPairs) };
}

async function main(steps: number): Promise<void> {
  const start = performance.now();
  const { before, after } = await siamese(steps, console.log);
  console.log(
    `pairs told right: ${before.toFixed(3)} before, ${after.toFixed(3)} after ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
}

if (require.main === module) void main(Number(process.argv[2] ?? 2000));
