/** A fit that a loss ends which is not finite says what was the first such value: an image, a parameter or the output of a layer. */

import { data, fit, manualSeed, nn, ops, optim, type FitOptions, type History, type Tensor } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

const IMAGES = new Philox(3).fillNormal(new Float32Array(4 * 20));
const labels = Uint8Array.from({ length: 20 }, (_, i) => i % 2);
const run = (model: nn.Module, images: Float32Array, more: Partial<FitOptions> = {}): Promise<History> =>
  fit(model, data.arrays(images, labels, { shape: [1, 2, 2] }), {
    epochs: 30,
    batchSize: 8,
    optimizer: optim.sgd({ lr: 0.1 }),
    seed: 1,
    progress: false,
    ...more,
  });

class Net extends nn.Module {
  first = new nn.Linear(4, 8);
  drop = new nn.Dropout(0.2);
  second = new nn.Linear(8, 2);
  constructor(private readonly between: (x: Tensor) => Tensor = ops.tanh) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.second.forward(this.drop.forward(this.between(this.first.forward(x.flatten()))));
  }
}

beforeEach(() => manualSeed(1));

test('an image', async () => {
  const images = IMAGES.slice();
  images[50] = NaN;
  await expectRejection('ERR_NOT_FINITE', run(new Net(), images), 'The first value that is not finite is in an image.');
});

test('a parameter', async () => {
  const model = new Net();
  const { weight } = model.second;
  model.loadStateDict(new Map([...model.stateDict(), ['second.weight', ops.div(weight, 0)]]));
  await expectRejection('ERR_NOT_FINITE', run(model, IMAGES), 'Training step 1 ', 'the parameter second.weight');
});

test('the output of a layer', async () => {
  await expectRejection('ERR_NOT_FINITE', run(new Net((x) => ops.log(ops.mul(x, 0.5))), IMAGES), 'the output of log');
  // A rate that is too high: weights grow until a layer overflows.
  const wild = run(new Net((x) => x), IMAGES, {
    optimizer: optim.sgd({ lr: 1e6 }),
    loss: (y, t) => ops.mean(ops.mul(y, y)).add(nn.crossEntropy()(y, t)),
  });
  await expectRejection('ERR_NOT_FINITE', wild, 'The first value that is not finite is in the output of');
});
