/** Checkpoints that other versions wrote: one of version 0.1 goes on where it was saved, one of an optimizer to come is refused. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveSafetensors, tensor, Trainer, type Tensor } from '../../lib';
import { expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-older-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'checkpoint.safetensors');

// As version 0.1 wrote them after two steps of two images; nothing here is made by the code under test.
const TENSORS: Record<string, Tensor> = {
  '0.bias': tensor([-0.08721470087766647, 0.3198603093624115]),
  '0.weight': tensor([
    [0.47715234756469727, -0.638748288154602],
    [0.18827468156814575, 0.4727187752723694],
  ]),
  'optimizer/velocity/0.bias': tensor([-0.11044276505708694, 0.1148790568113327]),
  'optimizer/velocity/0.weight': tensor([
    [-0.11814942955970764, 0.3900641202926636],
    [0.13083836436271667, -0.3932300806045532],
  ]),
};
const METADATA = {
  format: 'stridenet checkpoint 1',
  random: '{"seed":3,"nextStream":2}',
  recipe:
    '{"model":{"kind":"Sequential","args":[{"kind":"Linear","args":[2,2,{"bias":true}]}]},"evaluating":[],"frozenModules":[],"frozen":[],' +
    '"optimizer":{"lr":0.1,"momentum":0.9,"weightDecay":0.01,"nesterov":true},"loss":{"name":"crossEntropy","options":{"labelSmoothing":0}},' +
    '"options":{"input":[2],"batchSize":2,"preprocess":{"layout":"nchw"},"metrics":["accuracy"],"algorithm":"fast"}}',
  state: '{"optimizer":"sgd","epoch":1,"step":2,"learningRate":0.1,"seed":5}',
};

test('a checkpoint of version 0.1 goes on where it was saved', async () => {
  await saveSafetensors(file, new Map(Object.entries(TENSORS)), METADATA);
  using trainer = await Trainer.resume(file);
  expect([trainer.optimizer.name, trainer.epoch, trainer.steps]).toEqual(['sgd', 1, 2]);
  const images = Float32Array.of(1, -2, 0.5, 3);
  const losses: number[] = [];
  for (let i = 0; i < 2; i++) losses.push((await trainer.step(images, Uint8Array.of(0, 1))).loss);
  expect(losses[0]).toBeCloseTo(0.07101993262767792, 6);
  expect(losses[1]).toBeCloseTo(0.052942194044589996, 6);
  const [weight, bias] = trainer.model.parameters();
  const expected = [0.5128801465034485, -0.7572973966598511, 0.14753082394599915, 0.5925194621086121];
  weight!.value.forEach((x, i) => expect(x).toBeCloseTo(expected[i]!, 6));
  bias!.value.forEach((x, i) => expect(x).toBeCloseTo([-0.05282198637723923, 0.2837138772010803][i]!, 6));
});

test.each(['adamX', 'toString', '__proto__', '__esModule', 3])(
  'an optimizer that this version does not have is named: %p',
  async (name) => {
    const state = JSON.stringify({ ...(JSON.parse(METADATA.state) as object), optimizer: name });
    await saveSafetensors(file, new Map(Object.entries(TENSORS)), { ...METADATA, state });
    await expectRejection('ERR_BAD_FILE', Trainer.resume(file), 'there is no optimizer', String(name));
  },
);
