/** earlyStopping and checkpoint: what they watch, keep, stop and put back; what they keep in checkpoints. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  callbacks,
  data,
  evaluate,
  fit,
  loadSafetensors,
  manualSeed,
  nn,
  optim,
  type Callback,
  type FitOptions,
  type History,
} from 'stridenet';
import { Philox } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-callbacks-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const make = (n: number, seed: number): data.Dataset => {
  const images = new Philox(seed).fillNormal(new Float32Array(4 * n));
  // Half of the labels are noise, so that training overfits.
  const noise = new Philox(seed + 1).fillNormal(new Float32Array(n));
  const labels = Uint8Array.from({ length: n }, (_, i) => (images[4 * i]! + 2 * noise[i]! > 0 ? 1 : 0));
  return data.arrays(images, labels, { shape: [1, 2, 2] });
};
const TRAIN = make(24, 1);
const VALIDATION = make(60, 9);

function network(): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(
    new nn.Conv2d(1, 4, 2, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.Tanh(),
    new nn.Flatten(),
    new nn.Linear(36, 2),
  );
}
const options = (more: Partial<FitOptions>): FitOptions => ({
  epochs: 30,
  batchSize: 8,
  optimizer: optim.adam({ lr: 0.05 }),
  validation: VALIDATION,
  seed: 2,
  progress: false,
  ...more,
});
const best = ({ epochs }: History): number => Math.min(...epochs.map(({ valLoss }) => valLoss!));
const stateOf = (model: nn.Module): number[] => [...model.stateDict().values()].flatMap((variable) => [...variable.value]);

describe('earlyStopping', () => {
  test('stops `patience` epochs after the best one and puts its weights back, running statistics too', async () => {
    const model = network();
    const history = await fit(model, TRAIN, options({ callbacks: [callbacks.earlyStopping({ patience: 4 })] }));
    const at = history.epochs.findIndex(({ valLoss }) => valLoss === best(history));
    expect(history.epochs.length).toBe(at + 1 + 4);
    expect((await evaluate(model, VALIDATION, { batchSize: 8 })).loss).toBe(best(history));
  });

  test.each<[string, (stop: AbortController) => Callback]>([
    ['a signal', (stop) => ({ onEpochEnd: ({ epoch }) => (epoch === 12 ? stop.abort() : undefined) })],
    ['a callback that throws', () => ({ onEpochEnd: ({ epoch }) => { if (epoch === 12) throw new Error('enough'); } })], // prettier-ignore
  ])('puts the best weights back when %s ends training', async (_name, make) => {
    const model = network();
    const stop = new AbortController();
    const running = fit(
      model,
      TRAIN,
      options({ signal: stop.signal, callbacks: [callbacks.earlyStopping({ patience: 100 }), make(stop)] }),
    );
    const { history } = (await running.catch((error: unknown) => error)) as { history: History };
    expect(history.epochs.length).toBe(12);
    expect((await evaluate(model, VALIDATION, { batchSize: 8 })).loss).toBe(best(history));
  });

  test('and when all epochs are done; without restoreBest the last weights stay', async () => {
    for (const restoreBest of [true, false]) {
      const model = network();
      const history = await fit(
        model,
        TRAIN,
        options({ epochs: 12, callbacks: [callbacks.earlyStopping({ patience: 100, restoreBest })] }),
      );
      const { loss } = await evaluate(model, VALIDATION, { batchSize: 8 });
      expect(loss).toBe(restoreBest ? best(history) : history.epochs.at(-1)!.valLoss);
      expect(best(history)).toBeLessThan(history.epochs.at(-1)!.valLoss!);
    }
  });

  test('with ema it is the averages that are measured, kept and put back', async () => {
    const model = network();
    const history = await fit(model, TRAIN, options({ ema: { decay: 0.7 }, callbacks: [callbacks.earlyStopping({ patience: 3 })] }));
    expect(history.epochs.length).toBeLessThan(30);
    expect((await evaluate(model, VALIDATION, { batchSize: 8 })).loss).toBe(best(history));
  });

  test.each([2, 6, 10])('resumed from a checkpoint of epoch %i it stops where it would have, with the same weights', async (epoch) => {
    const path = at(`early-${epoch}.safetensors`);
    const early = (): Callback => callbacks.earlyStopping({ patience: 6 });
    const model = network();
    const history = await fit(model, TRAIN, options({ callbacks: [early()] }));
    expect(history.epochs.length).toBeGreaterThan(epoch);
    await fit(network(), TRAIN, options({ epochs: 30, callbacks: [early(), { onEpochEnd: async (r, { trainer }) => { if (r.epoch === epoch) { await trainer.save(path); trainer.stop(); } } }] })); // prettier-ignore
    const resumed = network();
    const rest = await fit(resumed, TRAIN, options({ resume: path, callbacks: [early()] }));
    expect(rest.epochs.map(({ valLoss }) => valLoss)).toEqual(history.epochs.map(({ valLoss }) => valLoss));
    expect(stateOf(resumed)).toEqual(stateOf(model));
  });

  test('another training begins anew with it', async () => {
    const early = callbacks.earlyStopping({ patience: 2 });
    const first = await fit(network(), TRAIN, options({ callbacks: [early] }));
    const again = await fit(network(), TRAIN, options({ callbacks: [early] }));
    expect(again.epochs.map(({ valLoss }) => valLoss)).toEqual(first.epochs.map(({ valLoss }) => valLoss));
  });

  test('what it cannot watch is refused', async () => {
    const run = (early: Callback, more: Partial<FitOptions> = {}): Promise<History> =>
      fit(network(), TRAIN, options({ callbacks: [early], ...more }));
    await expectRejection('ERR_INVALID_ARGUMENT', run(callbacks.earlyStopping(), { validation: undefined }), 'Pass validation to fit');
    await expectRejection('ERR_INVALID_ARGUMENT', run(callbacks.earlyStopping({ monitor: 'valF1' })), '"valF1"', 'valLoss');
    expectError('ERR_UNKNOWN_OPTION', () => callbacks.earlyStopping({ patient: 3 } as never), 'patience');
    expectError('ERR_INVALID_ARGUMENT', () => callbacks.earlyStopping({ mode: 'least' as never }), "'min'");
    expectError('ERR_INVALID_ARGUMENT', () => callbacks.earlyStopping({ patience: -1 }), 'patience');
  });

  test('epochs without validation do not count; more accuracy is better', async () => {
    const values: (number | undefined)[] = [];
    const history = await fit(network(), TRAIN, options({ epochs: 9, validationEvery: 4, callbacks: [
      callbacks.earlyStopping({ monitor: 'valAccuracy', patience: 1 }), { onEpochEnd: (r) => { values.push(r.valAccuracy); } }] })); // prettier-ignore
    expect(values.slice(0, 4)).toEqual([undefined, undefined, undefined, expect.any(Number)]);
    expect(history.epochs.length).toBeGreaterThanOrEqual(8);
  });
});

describe('checkpoint', () => {
  test('best keeps the best, last the last', async () => {
    const model = network();
    const history = await fit(model, TRAIN, options({ epochs: 12, callbacks: [
      callbacks.checkpoint({ path: at('best.safetensors'), keep: 'best' }), callbacks.checkpoint({ path: at('last.safetensors') })] })); // prettier-ignore
    const loaded = network();
    loaded.loadStateDict(await loadSafetensors(at('best.safetensors')), { strict: false });
    expect((await evaluate(loaded, VALIDATION, { batchSize: 8 })).loss).toBe(best(history));
    loaded.loadStateDict(await loadSafetensors(at('last.safetensors')), { strict: false });
    expect(stateOf(loaded)).toEqual(stateOf(model));
  });

  test('another training begins anew with it', async () => {
    const path = at('anew.safetensors');
    const kept = callbacks.checkpoint({ path, keep: 'best' });
    for (const lr of [0.1, 1e-6]) {
      await fit(network(), TRAIN, options({ epochs: 2, optimizer: optim.sgd({ lr }), callbacks: [kept] }));
      expect(existsSync(path)).toBe(true);
      rmSync(path);
    }
  });

  test('a number keeps so many of the best and deletes its own others, also after it was resumed', async () => {
    const path = at('top-{epoch}.safetensors');
    const callback = (): Callback => callbacks.checkpoint({ path, keep: 3, monitor: 'valLoss' });
    const save: Callback = {
      onEpochEnd: async ({ epoch }, { trainer }) => (epoch === 6 ? trainer.save(at('middle.safetensors')) : undefined),
    };
    await fit(network(), TRAIN, options({ epochs: 6, callbacks: [callback(), save] }));
    const { epochs } = await fit(network(), TRAIN, options({ epochs: 12, resume: at('middle.safetensors'), callbacks: [callback()] }));
    const ranked = [...epochs].sort((a, b) => a.valLoss! - b.valLoss!).slice(0, 3).map(({ epoch }) => epoch); // prettier-ignore
    const found = readdirSync(folder).flatMap((name) => /^top-(\d+)/.exec(name)?.slice(1).map(Number) ?? []);
    expect(found.sort((a, b) => a - b)).toEqual(ranked.sort((a, b) => a - b));
  });

  test('saves between epochs, and training goes on from there', async () => {
    const path = at('step.safetensors');
    const stop: Callback = { onBatchEnd: ({ step }, { trainer }) => (step === 5 ? trainer.stop() : undefined) };
    const model = network();
    await fit(model, TRAIN, options({ epochs: 4 }));
    await fit(network(), TRAIN, options({ epochs: 4, callbacks: [callbacks.checkpoint({ path, everySteps: 5 }), stop] }));
    expect(existsSync(path)).toBe(true);
    const resumed = network();
    await fit(resumed, TRAIN, options({ epochs: 4, resume: path, callbacks: [callbacks.checkpoint({ path, everySteps: 5 })] }));
    expect(stateOf(resumed)).toEqual(stateOf(model));
  });

  test('mistakes are refused', async () => {
    expectError('ERR_INVALID_ARGUMENT', () => callbacks.checkpoint({ path: 'a', keep: 2 }), '{epoch}');
    expectError('ERR_INVALID_ARGUMENT', () => callbacks.checkpoint({ path: 'a', keep: 'bets' as never }), '"bets"');
    expectError('ERR_INVALID_ARGUMENT', () => callbacks.checkpoint({} as never), 'path');
    expectError('ERR_INVALID_ARGUMENT', () => callbacks.checkpoint({ path: 'a', keep: 'best', everySteps: 3 }), 'everySteps');
    const named = fit(network(), TRAIN, options({ epochs: 1, callbacks: [callbacks.checkpoint({ path: at('{valF1}') })] }));
    await expectRejection('ERR_INVALID_ARGUMENT', named, 'there is no "valF1"');
    const nowhere = fit(network(), TRAIN, options({ epochs: 1, callbacks: [callbacks.checkpoint({ path: at('missing/x.safetensors') })] }));
    await expectRejection('ERR_FILE_ACCESS', nowhere, 'missing');
  });
});

describe('options that cut training short', () => {
  const count = (): { callback: Callback; batches: number[] } => {
    const batches: number[] = [];
    return { batches, callback: { onEpochBegin: () => { batches.push(0); }, onBatchEnd: () => { batches[batches.length - 1]!++; } } }; // prettier-ignore
  };

  test('fastDevRun is one epoch of one batch; limitBatches a number or a fraction of batches', async () => {
    for (const [more, expected] of [
      [{ fastDevRun: true }, [1]],
      [{ fastDevRun: 2 }, [2]],
      [{ epochs: 2, limitBatches: 2 }, [2, 2]],
      [{ epochs: 1, limitBatches: 0.7 }, [2]],
    ] as const) {
      const { callback, batches } = count();
      await fit(network(), TRAIN, options({ ...more, callbacks: [callback] }));
      expect(batches).toEqual(expected);
    }
    await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), TRAIN, options({ limitBatches: 0 })), 'limitBatches');
  });

  test('overfitBatches trains on the same images in every epoch', async () => {
    const model = network();
    const { epochs } = await fit(model, TRAIN, options({ epochs: 60, overfitBatches: 1 }));
    expect(epochs.at(-1)!.accuracy).toBe(1);
    expect((await evaluate(model, data.take(TRAIN, 8))).accuracy).toBe(1);
  });

  test('validationEvery', async () => {
    const { epochs } = await fit(network(), TRAIN, options({ epochs: 5, validationEvery: 2 }));
    expect(epochs.map(({ valLoss }) => valLoss !== undefined)).toEqual([false, true, false, true, true]);
  });
});

test('onFinally is called however training ends, for every callback', async () => {
  const calls: string[] = [];
  const callback = (name: string): Callback => ({ onFinally: () => { calls.push(name); if (name === 'a') throw new Error('late'); } }); // prettier-ignore
  await expect(fit(network(), TRAIN, options({ epochs: 1, callbacks: [callback('a'), callback('b')] }))).rejects.toThrow('late');
  expect(calls).toEqual(['a', 'b']);
  const throwing: Callback = { onEpochEnd: () => { throw new Error('early'); } }; // prettier-ignore
  await expect(fit(network(), TRAIN, options({ callbacks: [throwing, callback('a'), callback('b')] }))).rejects.toThrow('early');
  expect(calls).toEqual(['a', 'b', 'a', 'b']);
});
