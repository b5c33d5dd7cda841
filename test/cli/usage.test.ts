import { stridenet } from './support';

it.each<[string[], string]>([
  [[], 'Usage: stridenet COMMAND'],
  [['trian'], 'There is no command "trian". Did you mean "train"?'],
  [['train'], 'stridenet train expects MODEL.'],
  [['train', 'lenet5', '--epoch', '3'], 'Unknown option --epoch. Did you mean --epochs?'],
  [['train', 'lenet5', '--epochs', '0'], '--epochs expects an integer of at least 1 but got "0".'],
  [['train', 'lenet5', '--lr', 'fast'], '--lr expects a number of at least 0 but got "fast".'],
  [['train', 'lenet5', '--activation', 'rel'], '--activation expects relu or sigmoid or tanh but got "rel". Did you mean "relu"?'],
  [['evaluate', 'lenet5'], '--weights FILE is required.'],
  [['predict', 'lenet5', '--weights', 'x'], 'stridenet predict expects MODEL IMAGE....'],
  [['summary', 'lenet5', '--input', '1,28'], '--input expects three integers of at least 1, such as 3,224,224, but got "1,28".'],
  [['bench', 'speed'], 'stridenet bench expects inference, training, data, kernels or all but got "speed".'],
  [['bench', 'inference', '--models', 'lenet'], '--models does not know "lenet". Did you mean "lenet5"?'],
  [['bench', 'inference', '--batch', '1,0'], '--batch expects integers from 1 to 65536, such as 1,8, but got "0".'],
  [['bench', 'kernels', '--models', 'vgg11'], '--models does not know "vgg11". Did you mean "vgg16"?'],
  [['bench', 'kernels', '--algorithm', 'al'], '--algorithm expects fast or exact or all but got "al". Did you mean "all"?'],
  [['bench', 'data', '--peers', 'torch'], '--peers: only stridenet bench inference and training have peers to compare with.'],
  [['bench', 'kernels', '--chart', 'a.svg'], '--chart: only stridenet bench inference and training have peers to compare with.'],
  [['bench', 'data', '--models', 'gemm'], '--models does not know "gemm".'],
  [['bench', 'inference', '--algorithm', 'all'], '--algorithm all: only stridenet bench kernels can measure every algorithm.'],
  [['bench', 'all', '--algorithm', 'all'], '--algorithm all: only stridenet bench kernels can measure every algorithm.'],
  [['bench', 'training', '--peers', 'torsch'], '--peers does not know "torsch". Did you mean "torch"?'],
  [['doctor', 'please'], 'stridenet doctor does not know what to do with "please".'],
])('wrong usage %j: exit code 2', async (argv, message) => {
  const { code, out, err } = await stridenet(...argv);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(message);
});

it.each<[string[], string]>([
  [['train', 'lenet', '--data', 'mini'], 'stridenet: ERR_UNKNOWN_MODEL: There is no model "lenet". Did you mean "lenet5"?'],
  [
    ['train', 'lenet5', '--out', '/no/such/folder/w.safetensors'],
    'stridenet: ERR_FILE_ACCESS: Cannot write "/no/such/folder/w.safetensors": ',
  ],
  [
    ['train', 'lenet5', '--data', 'min'],
    'stridenet: ERR_DATA_UNAVAILABLE: --data "min" is neither a folder nor one of fashion-mnist, mnist, mini. Did you mean "mini"?',
  ],
  [
    ['evaluate', 'lenet5', '--weights', '/no/such/file'],
    'stridenet: ERR_FILE_ACCESS: Cannot read "/no/such/file": there is no such file (ENOENT).',
  ],
  [['predict', 'lenet5', '--weights', '/no/such/file', 'x.png'], 'stridenet: ERR_FILE_ACCESS: '],
  [['summary', 'resnet'], 'ERR_UNKNOWN_MODEL'],
])('error %j: exit code 1', async (argv, message) => {
  const { code, out, err } = await stridenet(...argv);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain(message);
});

it.each(['train', 'sweep', 'evaluate', 'predict', 'summary', 'bench', 'doctor'])('%s --help', async (command) => {
  const { code, out, err } = await stridenet(command, '--help');
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(new RegExp(`^Usage: stridenet ${command} `));
  expect(out).toContain('--json');
});

it('--help and --version', async () => {
  expect((await stridenet('--help')).out).toContain('Models: lenet5');
  expect((await stridenet('--version')).out).toMatch(/^\d+\.\d+\.\d+$/);
});

it('summary as a table and as JSON', async () => {
  expect((await stridenet('summary', 'lenet5')).out).toContain('61,706');
  const { out } = await stridenet('summary', 'lenet5', '--input', '3,28,28', '--json');
  expect(JSON.parse(out)).toMatchObject({ parameters: 61_706 + 2 * 6 * 25, inputShape: [1, 3, 28, 28] });
});

it('summary of a model for ImageNet', async () => {
  const { out, code } = await stridenet('summary', 'resnet50');
  expect(code).toBe(0);
  expect(out).toContain('25,557,032');
  expect(out).toContain('4.09 G multiply-adds');
  expect((await stridenet('summary', 'resnet18', '--stem', 'cifar', '--input', '3,32,32', '--json')).out).toContain('"multiplyAdds":555');
  expect((await stridenet('summary', 'resnet50', '--pooling', 'avg')).err).toContain('resnet50 has no option "pooling".');
});
