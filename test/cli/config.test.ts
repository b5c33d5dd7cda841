/** Settings of a training out of flags and config files: what they come to, and what is refused. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SETTINGS } from '../../lib/cli/settings/table';
import { jsonOf, stridenet, type Outcome } from './support';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'stridenet-config-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function configFile(config: unknown, name = 'config.json'): string {
  const path = join(folder, name);
  writeFileSync(path, typeof config === 'string' ? config : JSON.stringify(config));
  return path;
}

/** What `train --dry-run` says of a config file and flags. */
async function dryRun(config: unknown, ...flags: string[]): Promise<Outcome> {
  return stridenet('train', '--config', configFile(config), '--dry-run', '--json', ...flags);
}

async function resolved(config: unknown, ...flags: string[]): Promise<Record<string, unknown>> {
  const outcome = await dryRun(config, ...flags);
  expect([outcome.err, outcome.code]).toEqual(['', 0]);
  return jsonOf(outcome)['config'] as Record<string, unknown>;
}

describe('what settings come to', () => {
  it('those of the command line without any', async () => {
    const outcome = await stridenet('train', 'lenet5', '--dry-run', '--json');
    expect(jsonOf(outcome)).toEqual({
      config: {
        model: 'lenet5',
        data: 'mini',
        epochs: 10,
        batchSize: 64,
        optimizer: { name: 'sgd', lr: 0.05, momentum: 0.9, dampening: 0, weightDecay: 0.0005, nesterov: false },
        schedule: { name: 'cosine', warmupEpochs: 1 },
        labelSmoothing: 0,
        metrics: ['accuracy'],
        seed: 1,
      },
      images: { train: 6000, validation: 1000, test: 1000 },
      shape: [1, 28, 28],
      classes: 10,
      parameters: 61706,
      stepsPerEpoch: 94,
      epochs: 10,
    });
  });

  it('flags go before the file', async () => {
    const config = {
      model: 'lenet5',
      epochs: 3,
      optimizer: { name: 'adamw', lr: 0.01, weightDecay: 0.1 },
      ema: 0.9,
      earlyStopping: { patience: 3, minDelta: 0.1 },
    };
    expect(await resolved(config)).toMatchObject({ epochs: 3, optimizer: { lr: 0.01, weightDecay: 0.1 }, ema: { decay: 0.9 } });
    const flags = ['--epochs', '4', '--lr', '0.02', '--early-stopping', '5'];
    expect(await resolved(config, ...flags)).toMatchObject({
      epochs: 4,
      optimizer: { name: 'adamw', lr: 0.02, weightDecay: 0.1 },
      earlyStopping: { patience: 5, minDelta: 0.1 },
    });
  });

  it('of another optimizer nothing is left', async () => {
    const config = { model: 'lenet5', optimizer: { name: 'sgd', lr: 7, momentum: 0.5 } };
    expect((await resolved(config, '--optimizer', 'adam:betas=[0.8,0.99]'))['optimizer']).toEqual({
      name: 'adam',
      lr: 0.001,
      betas: [0.8, 0.99],
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
    });
  });

  it('transforms by flag and by file are the same, and a resolved configuration is a config file', async () => {
    const augment = [{ name: 'randomCrop', size: 28, padding: 2 }, 'randomHorizontalFlip', { name: 'colorJitter', brightness: [0.8, 1.2] }];
    const list = 'randomCrop:28:padding=2,randomHorizontalFlip,colorJitter:brightness=[0.8,1.2]';
    const byFile = await resolved({ model: 'lenet5', augment, mixup: 0.2 });
    expect(await resolved({ model: 'lenet5' }, '--augment', list, '--mixup', '0.2')).toEqual(byFile);
    expect(byFile['augment']).toMatchObject([{ size: [28, 28], padding: [2, 2, 2, 2] }, { p: 0.5 }, { brightness: [0.8, 1.2] }]);
    expect(await resolved(byFile)).toEqual(byFile);
  });

  it('presets are the transforms that they stand for, in the size of the pictures, alone and among others', async () => {
    const augment = ['crop-flip', 'trivial', { name: 'randomErasing', p: 0.1 }];
    const byFile = await resolved({ model: 'lenet5', augment, validationTransforms: ['center-crop'] });
    const flags = ['--augment', 'crop-flip,trivial,randomErasing:p=0.1', '--validation-transforms', 'center-crop'];
    expect(await resolved({ model: 'lenet5' }, ...flags)).toEqual(byFile);
    expect(byFile['augment']).toMatchObject([
      { name: 'randomCrop', size: [28, 28], padding: [4, 4, 4, 4] },
      { name: 'randomHorizontalFlip', p: 0.5 },
      { name: 'trivialAugmentWide' },
      { name: 'randomErasing', p: 0.1 },
    ]);
    expect(byFile['validationTransforms']).toMatchObject([
      { name: 'resize', size: [32, 32] },
      { name: 'centerCrop', size: [28, 28] },
    ]);
    expect(await resolved(byFile)).toEqual(byFile);
    const others = await resolved({ model: 'lenet5' }, '--augment', 'resized-crop-flip,randaugment');
    expect(others['augment']).toMatchObject([
      { name: 'randomResizedCrop', size: [28, 28] },
      { name: 'randomHorizontalFlip' },
      { name: 'randAugment' },
    ]);
  });

  it('pictures of another size than those of the data set, where both sides have it', async () => {
    const flags = ['--augment', 'randomResizedCrop:32', '--validation-transforms', 'resize:32', '--dry-run', '--json'];
    expect(jsonOf(await stridenet('train', 'resnetCifar20', ...flags))).toMatchObject({ shape: [1, 32, 32] });
    const { code, err } = await stridenet('train', 'lenet5', ...flags);
    expect([code, err]).toEqual([
      1,
      expect.stringContaining('lenet5 expects images of 28x28 but --data mini behind its transforms has [1, 32, 32]'),
    ]);
  });

  it('a held out part of the training images, and what an epoch is then', async () => {
    const outcome = await dryRun({ model: 'lenet5', validation: 0.1, accumulate: 4, dropLast: true, limitBatches: 0.5 });
    expect(jsonOf(outcome)).toMatchObject({ images: { train: 5400, validation: 600, test: 1000 }, stepsPerEpoch: Math.ceil(42 / 4) });
  });

  it('is readable without --json', async () => {
    const { out, code } = await stridenet('train', 'lenet5', '--dry-run');
    expect(code).toBe(0);
    expect(out).toMatch(
      /"optimizer": \{\n {4}"name": "sgd"[^]*parameters {2}61,706\n[^]*steps {7}94 an epoch, 940 in all\nNothing was trained/,
    );
  });
});

describe('what a config file may not say', () => {
  it.each<[unknown, string]>([
    [{ epoch: 3 }, 'has an unknown setting config.epoch. Did you mean config.epochs?'],
    [{ lr: 3 }, 'has an unknown setting config.lr. Did you mean config.optimizer.lr?'],
    [{ epochs: '3' }, 'expects config.epochs to be an integer of at least 1 but got "3".'],
    [{ model: 5 }, 'expects config.model to be the name of a model but got 5.'],
    [{ optimizer: 5 }, 'expects config.optimizer to be a name or an object of options but got 5.'],
    [{ optimizer: { name: 'adan' } }, 'expects config.optimizer.name to be one of adadelta, adagrad'],
    [{ optimizer: { momentun: 0.9 } }, 'config.optimizer of "'],
    [{ optimizer: { momentun: 0.9 } }, 'optim.sgd has no option "momentun". Did you mean "momentum"?'],
    [{ optimizer: { lr: -1 } }, 'expects config.optimizer.lr to be a finite number in [0, Infinity] but got -1.'],
    [{ schedule: { name: 'step', stepsize: 3 } }, 'optim.step has no option "stepsize". Did you mean "stepSize"?'],
    [{ schedule: { name: 'constant', gamma: 1 } }, 'optim.constant has no option "gamma".'],
    [{ augment: 5 }, 'expects config.augment to be a name or an array such as'],
    [{ augment: 'randomCrop' }, 'config.augment[0]: transforms.randomCrop expects size'],
    [{ augment: [{ name: 'randomCrop', siz: 3 }] }, 'config.augment[0]: transforms.randomCrop has no option "siz". Did you mean "size"?'],
    [{ augment: ['mixup'] }, 'config.augment[0]: mixup mixes batches'],
    [{ augment: ['randomCrap'] }, 'config.augment[0] expects the name of a transform but got "randomCrap". Did you mean "randomCrop"?'],
    [{ metrics: ['acuracy'] }, 'knows no metric "acuracy". Did you mean "accuracy"?'],
    [{ earlyStopping: { patienc: 3 } }, 'callbacks.earlyStopping has no option "patienc". Did you mean "patience"?'],
    [{ ema: { decai: 0.9 } }, 'ema has no option "decai".'],
    [{ channels: 2 }, 'expects config.channels to be 1 or 3 but got 2.'],
    [{ onError: 'skipp' }, 'expects config.onError to be "throw" or "skip" but got "skipp". Did you mean "skip"?'],
    [{ limitBatches: 1.5 }, 'expects config.limitBatches to be a number of batches or, below 1, a share but got 1.5.'],
    [[], 'expects an object of settings, such as { "epochs": 10 }, but got [].'],
    ['{', 'cannot be read: it is not JSON'],
  ])('%j', async (config, message) => {
    const { code, out, err } = await dryRun(config, 'lenet5');
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(message);
  });

  it('nothing is read or trained before', async () => {
    const { err } = await stridenet('train', 'lenet5', '--data', '/no/such/folder', '--config', configFile({ epoch: 3 }));
    expect(err).toContain('unknown setting config.epoch');
  });

  it('other endings, and files that are not there', async () => {
    expect((await stridenet('train', '--config', configFile('x', 'config.yaml'))).err).toContain(
      '--config expects a file that ends in .json',
    );
    expect((await stridenet('train', '--config', join(folder, 'none.json'))).err).toContain('ERR_FILE_ACCESS');
    expect((await stridenet('train', '--config', join(folder, 'none.mjs'))).err).toContain('ERR_FILE_ACCESS');
    const { code, err } = await stridenet('train', '--config', configFile({ epochs: 1 }));
    expect([code, err]).toEqual([2, expect.stringMatching(/expects MODEL\. ".*config\.json" has no setting config\.model either\./)]);
  });
});

it.each<[string[], string]>([
  [['--optimizer', 'adm'], '--optimizer expects one of adadelta, adagrad'],
  [['--optimizer', 'adam', '--momentum', '0.9'], '--optimizer and --momentum: optim.adam has no option "momentum".'],
  [['--optimizer', 'sgd:lr=1', '--lr', '2'], '--lr and --optimizer both say lr.'],
  [['--optimizer', 'sgd:1'], '--optimizer: sgd takes its arguments by name: write KEY=VALUE.'],
  [['--nesterov', '--momentum', '0'], 'optim.sgd expects a momentum above 0 with nesterov'],
  [['--schedule', 'step'], '--schedule: optim.step expects stepSize to be an integer of at least 1 but got undefined.'],
  [['--augment', 'randomCrop'], '--augment: transforms.randomCrop expects size'],
  [['--augment', 'randomCrop:28:size=3'], '--augment: randomCrop has size twice.'],
  [['--augment', 'randomHorizontalFlip:0.5:0.5'], '--augment: randomHorizontalFlip takes p without a name in front'],
  [['--augment', 'randomCrop:28,'], '--augment expects names'],
  [['--augment', 'crop-flap'], '--augment expects the name of a transform but got "crop-flap". Did you mean "crop-flip"?'],
  [['--augment', 'everything'], 'There are crop-flip, resized-crop-flip, trivial, randaugment, randomCrop, centerCrop,'],
  [['--augment', 'crop-flip:4'], '--augment: crop-flip takes no argument without a name in front'],
  [['--augment', 'crop-flip:size=4'], '--augment: the preset crop-flip has no option "size".'],
  [['--validation-transforms', 'crop-flip'], '--validation-transforms expects the name of a transform but got "crop-flip".'],
  [['--augment', 'randomCrop:28:padding='], '--augment expects a value for padding'],
  [['--mixup', '1', '--cutmix', '1'], 'Either mixup or cutmix mixes batches, not both.'],
  [['--monitor', 'valAccuracy'], 'monitor says what tells the best epoch, which needs --early-stopping N or --keep-best.'],
  [['--keep-best', '--monitor', 'valAcuracy'], 'monitor is valAcuracy, which is not measured. Did you mean "valAccuracy"?'],
  [['--schedule', 'reduceOnPlateau:monitor=valTop5'], 'schedule.monitor is valTop5, which is not measured.'],
  [['--metrics', 'acc'], '--metrics knows no metric "acc".'],
  [['--image-size', '28,x'], '--image-size expects H,W or one number for both, in pixels, but got "28,x".'],
  [['--limit-batches', '1.5'], '--limit-batches expects a number of batches or, below 1, a share but got "1.5".'],
])('wrong flags %j: exit code 2', async (flags, message) => {
  const { code, out, err } = await stridenet('train', 'lenet5', ...flags);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(message);
});

it.each<[string[], string]>([
  [['--augment', 'randomCrop:24'], 'ERR_SHAPE_MISMATCH: augment leaves pictures of [1, 24, 24] where those that validate are [1, 28, 28].'],
  [['--image-size', '28'], 'ERR_INVALID_ARGUMENT: --image-size is for folders of pictures but --data "mini" is none.'],
  [['--report', '/no/such/folder/r.html'], 'ERR_FILE_ACCESS: Cannot write "/no/such/folder/r.html"'],
])('what does not fit %j: exit code 1', async (flags, message) => {
  const { code, err } = await stridenet('train', 'lenet5', ...flags);
  expect(code).toBe(1);
  expect(err).toContain(message);
});

it('docs/training.md has a row for each setting, and no other', () => {
  const document = readFileSync(join(__dirname, '../../docs/training.md'), 'utf8');
  const rows = [...document.matchAll(/^\| `--([\w-]+)[^`]*` \| `([\w.]+)` \| (.*) \|$/gm)].map(([, flag, path, help]) => ({
    flag,
    path,
    help,
  }));
  const wanted = SETTINGS.map(({ flag, path, spec }) => {
    const note = spec.default === undefined ? '' : ` (default ${spec.default})`;
    return { flag, path: path.join('.'), help: `${spec.help}${note}`.replaceAll('|', '\\|') };
  });
  expect(rows).toEqual(wanted);
});
