/** The page of a training that goes on, asked for by a browser. */

import { data, fit, manualSeed, nn, optim, Trainer, watch, type Watch } from 'stridenet';
import { expectRejection } from '../support/expectError';

const SET = data.arrays(new Uint8Array(16 * 4).map((_, i) => i * 3), Uint8Array.from({ length: 16 }, (_, i) => i % 2), { shape: [1, 2, 2] }); // prettier-ignore
const model = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2));
beforeEach(() => manualSeed(1));

test('shows the epochs so far and where the epoch under way stands, without a script', async () => {
  const pages: string[] = [];
  let page: Watch | undefined;
  await fit(model(), SET, {
    ...{ epochs: 2, batchSize: 4, optimizer: optim.sgd({ lr: 0.1 }), progress: false },
    callbacks: [
      {
        onTrainBegin: async ({ trainer }) => {
          page = await watch(trainer);
        },
        onBatchEnd: async ({ step }) => {
          if (step === 6) pages.push(await (await fetch(page!.url)).text());
        },
      },
    ],
  });
  const after = await (await fetch(page!.url)).text();
  expect(pages[0]).toContain('2 batches, loss ');
  expect(pages[0]).toContain('<meta http-equiv="refresh" content="2">');
  expect(pages[0]).not.toContain('<script');
  expect(pages[0]).toContain('running');
  expect(after).toContain('finished');
  expect((await fetch(`${page!.url}other`)).status).toBe(404);
  expect((await fetch(page!.url, { method: 'POST' })).status).toBe(404);
  page!.close();
  await expect(fetch(page!.url)).rejects.toThrow();
});

test('a loop of one’s own, and mistakes', async () => {
  using trainer = new Trainer(model(), { optimizer: optim.sgd({ lr: 0.1 }), input: [1, 2, 2], batchSize: 4 });
  using page = await watch(trainer);
  await trainer.step(SET.images.subarray(0, 16), SET.labels.subarray(0, 4) as Uint8Array);
  expect(await (await fetch(page.url)).text()).toMatch(/steps<\/\w+>\s*<\w+>1</);
  const taken = Number(new URL(page.url).port);
  await expectRejection('ERR_ADDRESS_IN_USE', watch(trainer, taken), `port ${taken}`);
  await expectRejection('ERR_INVALID_ARGUMENT', watch(trainer, 70000), '65535');
  await expectRejection('ERR_INVALID_ARGUMENT', watch({} as never), 'a Trainer');
  await expectRejection('ERR_UNKNOWN_OPTION', watch(trainer, 0, { hots: 'x' } as never), 'host');
});
