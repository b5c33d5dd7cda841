import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as data from '../../lib/data';
import { expectRejection } from '../support/expectError';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'stridenet-cifar-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A record: labels, then 3072 values that say which one it is. */
const record = (labels: number[], value: number): Buffer => Buffer.concat([Buffer.from(labels), Buffer.alloc(3071, value), Buffer.from([labels[0]!])]);
const batches = (dir: string): void => {
  mkdirSync(dir, { recursive: true });
  for (let n = 1; n <= 5; n++) writeFileSync(join(dir, `data_batch_${n}.bin`), Buffer.concat([record([n], n), record([9], 10 * n)]));
  writeFileSync(join(dir, 'test_batch.bin'), record([3], 33));
};

describe('cifar10', () => {
  it('reads the files one after the other, from the folder or the one around it', async () => {
    batches(join(folder, 'cifar-10-batches-bin'));
    const { train, test } = await data.cifar10(folder);
    expect(train).toMatchObject({ shape: [3, 32, 32], length: 10, labels: Uint8Array.of(1, 9, 2, 9, 3, 9, 4, 9, 5, 9) });
    expect([train.classes[0], train.classes[9], train.classes.length]).toEqual(['airplane', 'truck', 10]);
    expect(Array.from({ length: 10 }, (_, i) => train.images[i * 3072])).toEqual([1, 10, 2, 20, 3, 30, 4, 40, 5, 50]);
    expect(Array.from({ length: 10 }, (_, i) => train.images[i * 3072 + 3071])).toEqual([...train.labels]);
    expect([test.length, test.images[0], test.labels[0]]).toEqual([1, 33, 3]);
    expect((await data.cifar10(join(folder, 'cifar-10-batches-bin'))).train.length).toBe(10);
  });

  it('reads more than a piece', async () => {
    batches(folder);
    writeFileSync(join(folder, 'test_batch.bin'), Buffer.concat(Array.from({ length: 2100 }, (_, i) => record([i % 10], i % 251))));
    const { test } = await data.cifar10(folder);
    expect(test.length).toBe(2100);
    expect([...test.labels]).toEqual(Array.from({ length: 2100 }, (_, i) => i % 10));
    expect(Array.from({ length: 2100 }, (_, i) => test.images[i * 3072 + 5])).toEqual(Array.from({ length: 2100 }, (_, i) => i % 251));
  });

  it('refuses files that are none', async () => {
    await expectRejection('ERR_DATA_UNAVAILABLE', data.cifar10(folder), 'no data_batch_1.bin', 'no test_batch.bin', 'cifar-10-binary.tar.gz');
    batches(folder);
    const file = join(folder, 'data_batch_3.bin');
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(3072), Buffer.alloc(3074)]) {
      writeFileSync(file, bytes);
      await expectRejection('ERR_BAD_FILE', data.cifar10(folder), JSON.stringify(file), `it has ${bytes.length} bytes`, 'records of 3073');
    }
    writeFileSync(file, Buffer.concat([record([1], 1), record([10], 1)]));
    await expectRejection('ERR_BAD_FILE', data.cifar10(folder), 'record 1 has the label 10', '10 classes');
    await expectRejection('ERR_INVALID_ARGUMENT', data.cifar10(''), 'a path');
  });
});

describe('cifar100', () => {
  it('has fine and coarse labels', async () => {
    for (const name of ['train.bin', 'test.bin']) writeFileSync(join(folder, name), Buffer.concat([record([19, 99], 7), record([0, 4], 8)]));
    const fine = await data.cifar100(folder);
    expect(fine.train).toMatchObject({ labels: Uint8Array.of(99, 4), length: 2, shape: [3, 32, 32] });
    expect([fine.train.classes[99], fine.train.classes[4], new Set(fine.train.classes).size]).toEqual(['worm', 'beaver', 100]);
    expect([fine.test.images[0], fine.test.images[3072]]).toEqual([7, 8]);
    const coarse = await data.cifar100(folder, { labels: 'coarse' });
    expect(coarse.test.labels).toEqual(Uint8Array.of(19, 0));
    expect([coarse.test.classes[19], coarse.test.classes[0], new Set(coarse.test.classes).size]).toEqual(['vehicles_2', 'aquatic_mammals', 20]);
    expect([...fine.train.classes].sort()).toEqual(fine.train.classes);
    writeFileSync(join(folder, 'test.bin'), record([20, 0], 7));
    await expectRejection('ERR_BAD_FILE', data.cifar100(folder), 'label 20', '20 classes');
    await expectRejection('ERR_INVALID_ARGUMENT', data.cifar100(folder, { labels: 'rough' as never }), "'fine' or 'coarse'");
    await expectRejection('ERR_UNKNOWN_OPTION', data.cifar100(folder, { label: 'fine' } as never), 'Did you mean "labels"');
  });
});
