/** What console.log and String print of tensors and parameters: values where they cost nothing, never an exception, never a computation. */
import { inspect } from 'node:util';
import { nn, ops, ones, randn, tensor, zeros, type Tensor } from 'stridenet';
import { inputTensor, lazyTensor } from '../../lib/graph/leaves';
import { VariableStorage, type StoredValue } from '../../lib/graph/storage';

const storedTensor = (stored: StoredValue): Tensor => lazyTensor(stored.shape, 'float32', () => stored.read(), stored);
const lines = (...text: string[]): string => text.join('\n');

describe('a tensor', () => {
  test.each<[string, Tensor, string]>([
    ['a number', tensor(3), "Tensor(3, shape: [], dtype: 'float32')"],
    ['float32, as short as it can be', tensor([0.1, 1 / 3]), "Tensor([0.1       , 0.33333334], shape: [2], dtype: 'float32')"],
    ['int32', tensor(Int32Array.of(1, -20, 300)), "Tensor([  1, -20, 300], shape: [3], dtype: 'int32')"],
    ['int32 beyond what float32 holds', tensor(Int32Array.of(2 ** 31 - 1)), "Tensor([2147483647], shape: [1], dtype: 'int32')"],
    ['what is no plain number', tensor([NaN, -Infinity, -0, 1e30]), "Tensor([      NaN, -Infinity,        -0,     1e+30], shape: [4], dtype: 'float32')"], // prettier-ignore
  ])('%s', (_what, x, text) => {
    expect(inspect(x)).toBe(text);
    expect(String(x)).toBe(text);
    expect(`${x}`).toBe(text);
  });

  test('rows stand below each other, matrices are set apart', () => {
    expect(inspect(tensor(new Uint8Array([1, 2, 3, 4, 50, 6, 7, 8]), [2, 2, 2]))).toBe(
      lines(
        'Tensor([[[ 1,  2],',
        '         [ 3,  4]],',
        '',
        '        [[50,  6],',
        "         [ 7,  8]]], shape: [2, 2, 2], dtype: 'uint8')",
      ),
    );
  });

  test('long lines are broken at the width that util.inspect asks for', () => {
    expect(inspect(zeros([10]), { breakLength: 20 })).toBe(
      lines('Tensor([0, 0, 0, 0,', '        0, 0, 0, 0,', "        0, 0], shape: [10], dtype: 'float32')"),
    );
    expect(inspect(zeros([100]), { breakLength: Infinity })).toBe(
      `Tensor([${Array(100).fill(0).join(', ')}], shape: [100], dtype: 'float32')`,
    );
  });

  test('of more than 1,000 values the corners are printed', () => {
    const values = Int32Array.from({ length: 10_000 }, (_, i) => i);
    expect(inspect(tensor(values, [1000, 10]))).toBe(
      lines(
        'Tensor([[   0,    1,    2, ...,    7,    8,    9],',
        '        [  10,   11,   12, ...,   17,   18,   19],',
        '        [  20,   21,   22, ...,   27,   28,   29],',
        '        ...,',
        '        [9970, 9971, 9972, ..., 9977, 9978, 9979],',
        '        [9980, 9981, 9982, ..., 9987, 9988, 9989],',
        "        [9990, 9991, 9992, ..., 9997, 9998, 9999]], shape: [1000, 10], dtype: 'int32')",
      ),
    );
  });

  test('among other objects it takes one line', () => {
    const square = tensor([1, 2, 3, 4]).reshape([2, 2]);
    square.dataSync();
    expect(inspect({ square, large: randn([8, 8]) }, { breakLength: Infinity })).toBe(
      "{ square: Tensor([[1, 2], [3, 4]], shape: [2, 2], dtype: 'float32', op: 'reshape'), large: Tensor(shape: [8, 8], dtype: 'float32') }",
    );
    expect(inspect({ a: { b: { c: tensor([1]) } } })).toContain('[Tensor]');
  });

  test('one that is not computed stays so', () => {
    const y = ops.relu(tensor([1, -1]), { name: 'layer' });
    expect(inspect(y)).toBe("Tensor(shape: [2], dtype: 'float32', op: 'relu', name: 'layer', not computed yet)");
    expect(y.value).toBeUndefined();
    y.dataSync();
    expect(inspect(y)).toBe("Tensor([1, 0], shape: [2], dtype: 'float32', op: 'relu', name: 'layer')");
  });

  test('a placeholder says so', () => {
    const x = inputTensor({ name: 'images', feedDType: 'uint8', layout: 'nchw' }, [2, 3], 'float32');
    expect(inspect(x)).toBe("Tensor(shape: [2, 3], dtype: 'float32', name: 'images', a placeholder)");
  });

  test('large values stay in their file, and a file that is gone does no harm', () => {
    let reads = 0;
    const stored = (count: number) => storedTensor({ shape: [count], read: () => (reads++, new Float32Array(count)) });
    expect(inspect(stored(2 ** 21))).toBe("Tensor(shape: [2097152], dtype: 'float32', in a file)");
    expect(reads).toBe(0);
    expect(inspect(stored(2))).toBe("Tensor([0, 0], shape: [2], dtype: 'float32')");
    const broken = storedTensor({
      shape: [2],
      read() {
        throw new Error('the file is gone\u001b[31m');
      },
    });
    expect(inspect(broken)).toBe('[Tensor: the file is gone\\u001b[31m]');
  });

  test('numbers are coloured, and only where colours are asked for', () => {
    expect(inspect(tensor([1]), { colors: true })).toBe(
      "\u001b[36mTensor\u001b[39m([\u001b[33m1\u001b[39m], shape: [\u001b[33m1\u001b[39m], dtype: \u001b[32m'float32'\u001b[39m)",
    );
    expect(inspect(tensor([1]))).not.toContain('\u001b');
  });
});

describe('a parameter', () => {
  test('says its name and whether it is trained', () => {
    const layer = new nn.Linear(1, 2);
    nn.init.constant(layer.weight, 0.5);
    layer.parameters();
    layer.freeze();
    expect(inspect(layer.weight)).toBe(
      lines('Parameter([[0.5],', "           [0.5]], shape: [2, 1], dtype: 'float32', name: 'weight', requiresGrad: false)"),
    );
    expect(inspect(new nn.BatchNorm2d(2).running_var)).toBe("Variable([1, 1], shape: [2], dtype: 'float32')");
  });

  test('many numbers are not drawn, and nothing is computed, to be printed', () => {
    const large = new nn.Linear(1000, 1000).weight;
    let drawn = 0;
    large.initialize(() => void drawn++);
    expect(inspect(large)).toBe("Parameter(shape: [1000, 1000], dtype: 'float32', requiresGrad: true, value not read: data() gives it)");
    expect(drawn).toBe(0);
    const y = ops.exp(zeros([1]));
    expect(inspect(new nn.Parameter(y))).toContain('value not read');
    expect(y.value).toBeUndefined();
    expect(inspect(new nn.Parameter(ones([1])))).toContain('Parameter([1]');
  });

  test('an initializer that throws does not', () => {
    const parameter = new nn.Parameter([2]);
    parameter.initialize(() => {
      throw new Error('no numbers');
    });
    expect(inspect(parameter)).toBe('[Parameter: no numbers]');
  });

  test('a state dict shows an entry a line', () => {
    const text = inspect(new nn.Sequential(new nn.Conv2d(64, 64, 3), new nn.BatchNorm2d(2)).stateDict(), { breakLength: 100 });
    expect(text.split('\n')[1]).toBe(
      "  '0.weight' => Parameter(shape: [64, 64, 3, 3], dtype: 'float32', name: '0.weight', requiresGrad: true),",
    );
    expect(text.split('\n')).toHaveLength(9);
  });

  test('what a trainer holds is read if it is small', () => {
    const reads: number[] = [];
    const read = (storage: VariableStorage): Float32Array => (reads.push(storage.count), new Float32Array(storage.count).fill(7));
    const holder = {
      read,
      *reading(storage: VariableStorage) {
        yield;
        return read(storage);
      },
      isBusy: false,
      readAll: (storages: readonly VariableStorage[]) => storages.map(read),
    };
    const storages = [2, 2 ** 21].map((count) => new VariableStorage([count], () => new Float32Array(count)));
    for (const storage of storages) storage.heldBy(holder);
    expect(storages.map((storage) => storage.glance())).toEqual([Float32Array.of(7, 7), undefined]);
    expect(reads).toEqual([2]);
  });
});
