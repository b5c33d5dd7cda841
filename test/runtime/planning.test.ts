/** Memory that buffers share must not show: three training steps of LeNet with planning on and off give the same bits. */

import { compileGraph } from '../../lib/compile/compile';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { manualSeed } from '../../lib/random';
import { nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import { makeKept, type Kept } from '../../lib/train/kept';
import { accuracy } from '../../lib/metrics/accuracy';
import { CLASS_NUMBERS } from '../../lib/train/target';
import { trainingGraph } from '../../lib/train/trainingGraph';

function train(sharesMemory: boolean): { bytes: number; losses: number[]; weights: number[][] } {
  manualSeed(3);
  const model = models.lenet5({ classes: 10 });
  const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true });
  const form = { count: 16, dtype: 'uint8', input: [1, 28, 28], preprocess: {} } as const;
  const keptOf = (parameter: nn.Parameter): Kept => makeKept(optimizer, parameter);
  const graph = trainingGraph({ model, loss: nn.crossEntropy(), metrics: [accuracy()], optimizer, keptOf }, form, CLASS_NUMBERS);
  using session = new Session({ state: new State(), threads: 2 });
  const loaded = session.load(compileGraph(graph, nativeQueries(), { sharesMemory }));
  const images = Uint8Array.from({ length: 16 * 784 }, (_, i) => (i * 2654435761) >>> 24);
  const labels = Int32Array.from({ length: 16 }, (_, i) => i % 10);
  const losses = [0, 1, 2].map(() => session.runSync(loaded, [images, labels, Float32Array.of(0.1)])[0]![0]!);
  return { bytes: loaded.native.bytes, losses, weights: model.parameters().map((p) => Array.from(p.value)) };
}

test('planning changes memory and nothing else', () => {
  const [on, off] = [train(true), train(false)];
  expect(on.losses).toEqual(off.losses);
  expect(on.weights).toEqual(off.weights);
  expect(on.losses.every(Number.isFinite)).toBe(true);
  expect(on.bytes).toBeLessThan(0.8 * off.bytes);
});
