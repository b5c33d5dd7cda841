/** What fit shows on standard error: one line on a terminal, a line for each epoch elsewhere. */

import { fit, nn, optim } from 'stridenet';
import { formatProgress, ProgressBar, type Terminal } from '../../lib/train/progress';

const at = { epoch: 2, epochs: 10, batch: 30, batches: 120, loss: 0.43214, accuracy: 0.8456, imagesPerSecond: 61_000.4 };

/** A terminal that remembers what was written, and a clock to set. */
function terminal(columns?: number): { written: string[]; clock: { seconds: number }; bar: ProgressBar } {
  const written: string[] = [];
  const clock = { seconds: 100 };
  const screen: Terminal = { isTTY: true, columns, write: (text) => written.push(text) };
  return { written, clock, bar: new ProgressBar(screen, () => clock.seconds) };
}

test('one line says where training stands', () => {
  const all = { ...at, learningRate: 0.0123456 };
  expect(formatProgress(all, 3723, 200)).toBe(
    'epoch 2/10 [======>                 ] 30/120  loss 0.4321  accuracy 0.8456  lr 0.0123  61,000 images/s  1:02:03 left',
  );
  expect(formatProgress(at, 62.4, 200)).toMatch(/accuracy 0\.8456 {2}61,000 images\/s {2}1:02 left$/);
  expect(formatProgress({ ...at, batch: 120, accuracy: undefined }, undefined, 200)).toBe(
    'epoch 2/10 [========================] 120/120  loss 0.4321  61,000 images/s',
  );
});

test('the bar gives way before the numbers do', () => {
  const whole = 'epoch 2/10 30/120  loss 0.4321  accuracy 0.8456  61,000 images/s  0:05 left';
  expect(formatProgress(at, 5, 85)).toBe(`epoch 2/10 [==>    ]${whole.slice('epoch 2/10'.length)}`);
  expect(formatProgress(at, 5, 83)).toBe(whole);
  expect(formatProgress(at, 5, 20)).toBe(whole.slice(0, 20));
  expect(formatProgress(at, 5, -1)).toBe('');
});

test('is drawn at most ten times a second', () => {
  const { written, clock, bar } = terminal(20);
  for (const seconds of [100, 100.05, 100.099, 100.11]) {
    clock.seconds = seconds;
    bar.update(at);
  }
  bar.finish('done');
  const line = '\r\x1b[Kepoch 2/10 30/120  ';
  expect(written).toEqual([line, line, '\r\x1b[Kdone', '\n']);
  bar.clear();
  expect(written).toHaveLength(4);
  bar.update(at);
  bar.clear();
  expect(written.slice(4)).toEqual([line, '\r\x1b[K']);
});

test('says how much time is left, by the pace of the epoch and what the last one took', () => {
  const { written, clock, bar } = terminal(200);
  const left = (progress: Partial<typeof at>, seconds: number): string | undefined => {
    clock.seconds = seconds;
    bar.update({ ...at, epochs: 3, ...progress });
    return /(\S+) left/.exec(written.at(-1)!)?.[1];
  };
  expect(left({ epoch: 1, batch: 20 }, 100)).toBeUndefined(); // there is no pace yet; an epoch that was resumed begins within
  expect(left({ epoch: 1, batch: 30 }, 101)).toBe('0:33'); // 90 batches of 0.1 s, and two epochs of 12 s
  clock.seconds = 120;
  bar.finish('over');
  expect(left({ epoch: 2, batch: 1 }, 121)).toBeUndefined();
  expect(left({ epoch: 2, batch: 61 }, 127)).toBe('0:26'); // 59 batches of 0.1 s, and an epoch of 20 s
});

test('a file gets the lines of epochs, without control characters', () => {
  const written: string[] = [];
  const bar = new ProgressBar({ write: (text) => written.push(text) });
  bar.update(at);
  bar.finish('epoch 2/10  loss 0.4');
  bar.clear();
  expect(written).toEqual(['epoch 2/10  loss 0.4\n']);
});

test('fit writes a line for each epoch where standard error is no terminal, and none without progress', async () => {
  const data = { images: new Float32Array(64), labels: new Uint8Array(32), shape: [2, 1, 1] as const, classes: ['a', 'b'], length: 32 };
  const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  const wasTerminal = process.stderr.isTTY;
  process.stderr.isTTY = false;
  const train = async (progress?: boolean): Promise<string> => {
    write.mockClear();
    const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 2));
    await fit(model, data, { epochs: 3, batchSize: 4, optimizer: optim.sgd({ lr: 0.1 }), threads: 1, progress });
    return write.mock.calls.map(([text]) => text).join('');
  };
  try {
    expect(await train()).toMatch(/^(epoch \d\/3 {2}loss [^\n\r]*\n){3}$/);
    expect(await train(false)).toBe('');
  } finally {
    process.stderr.isTTY = wasTerminal;
    write.mockRestore();
  }
});
