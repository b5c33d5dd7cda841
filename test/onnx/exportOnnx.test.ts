/** What exportOnnx writes, read back as protobuf: names, operators, attributes, numbers, and what it refuses. Running the files is onnxruntime's test. */

import { fromBinary } from '@bufbuild/protobuf';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { models, nn, ones, ops, tensor, type Tensor } from 'stridenet';
import { exportOnnx, type ExportOnnxOptions } from 'stridenet/onnx';
import {
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  TensorProto_DataType as DataType,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../lib/onnx/onnx_pb';
import { expectRejection } from '../support/expectError';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-onnx-'));
  path = join(folder, 'model.onnx');
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (): ModelProto => fromBinary(ModelProtoSchema, readFileSync(path));

async function graphOf(model: nn.Module, input: number[], options: Partial<ExportOnnxOptions> = {}): Promise<GraphProto> {
  await exportOnnx(model, { input, path, ...options });
  return read().graph!;
}

/** A model of one function, which may use the parameters given. */
class Lambda extends nn.Module {
  constructor(
    private readonly body: (x: Tensor, parameters: nn.Parameter[]) => Tensor,
    readonly p: nn.Parameter[] = [],
  ) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.body(x, this.p);
  }
}

const attributeValue = ({ type, i, f, s, ints }: AttributeProto): unknown => {
  switch (type) {
    case AttributeType.INT:
      return Number(i);
    case AttributeType.FLOAT:
      return f;
    case AttributeType.STRING:
      return Buffer.from(s).toString();
    case AttributeType.INTS:
      return ints.map(Number);
    default:
      throw new Error(`attribute type ${type}`);
  }
};
const attributesOf = ({ attribute }: NodeProto): Record<string, unknown> =>
  Object.fromEntries(attribute.map((a) => [a.name, attributeValue(a)]));
const numbersOf = ({ dataType, rawData }: TensorProto): number[] => {
  const bytes = Uint8Array.from(rawData).buffer;
  return dataType === DataType.INT64 ? Array.from(new BigInt64Array(bytes), Number) : [...new Float32Array(bytes)];
};
const initializer = (graph: GraphProto, name: string): TensorProto => graph.initializer.find((t) => t.name === name)!;
const dims = (value: ValueInfoProto): unknown[] => {
  const { type } = value;
  if (type?.value.case !== 'tensorType') throw new Error('no tensor type');
  return type.value.value.shape!.dim.map(({ value: d }) => (d.case === 'dimValue' ? Number(d.value) : d.value));
};
const opTypes = (graph: GraphProto): string[] => graph.node.map(({ opType }) => opType);
/** Every input of every node is the graph's, an initializer's or an earlier node's; no name is made twice. */
function expectWellFormed(graph: GraphProto): void {
  const known = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  expect(known.size).toBe(graph.input.length + graph.initializer.length);
  for (const node of graph.node) {
    expect(node.input.filter((name) => name !== '' && !known.has(name))).toEqual([]);
    expect(node.output.filter((name) => known.has(name))).toEqual([]);
    node.output.forEach((name) => known.add(name));
  }
  expect(graph.output.map(({ name }) => known.has(name))).toEqual([true]);
  for (const { dataType, rawData, dims: shape } of graph.initializer) {
    const bytes = dataType === DataType.INT64 ? 8 : 4;
    expect(rawData.length).toBe(shape.reduce((product, d) => product * Number(d), bytes));
  }
}

test('LeNet-5 is written as a reader of the format expects it', async () => {
  const model = models.lenet5({ classes: 10 });
  await exportOnnx(model, { input: [1, 28, 28], path });
  const { irVersion, opsetImport, producerName, graph } = read();
  expect([irVersion, producerName]).toEqual([8n, 'stridenet']);
  expect(opsetImport.map(({ domain, version }) => [domain, version])).toEqual([['', 17n]]);
  expectWellFormed(graph!);
  expect(graph!.input.map((value) => [value.name, dims(value)])).toEqual([['input', ['batch', 1, 28, 28]]]);
  expect(graph!.output.map((value) => [value.name, dims(value)])).toEqual([['logits', ['batch', 10]]]);
  expect(graph!.initializer.map(({ name }) => name)).toEqual([...model.stateDict().keys()]);
  for (const [name, parameter] of model.stateDict()) {
    const stored = initializer(graph!, name);
    expect(stored.dims.map(Number)).toEqual(parameter.shape);
    expect(numbersOf(stored)).toEqual([...parameter.value]);
  }
  expect(graph!.node[0]!.input).toEqual(['input', '0.weight', '0.bias']);
  expect([graph!.node[0]!.name, graph!.node.at(-1)!.output]).toEqual(['0/Conv', ['logits']]);
  expect(opTypes(graph!).filter((type) => type === 'Conv' || type === 'Gemm')).toEqual(['Conv', 'Conv', 'Gemm', 'Gemm', 'Gemm']);
});

describe('batch normalisation', () => {
  const model = (): nn.Sequential => {
    const net = new nn.Sequential(new nn.Conv2d(2, 3, 1), new nn.BatchNorm2d(3));
    const values = { weight: [2, 1, -1], bias: [0.5, 0, 1], running_mean: [1, 0, -2], running_var: [3, 0.25, 1] };
    for (const [name, list] of Object.entries(values)) net.loadStateDict(new Map([[`1.${name}`, tensor(list)]]), { strict: false });
    return net;
  };

  test('is folded into the convolution', async () => {
    const net = model();
    const graph = await graphOf(net, [2, 4, 4]);
    expectWellFormed(graph);
    expect(opTypes(graph)).toEqual(['Conv']);
    expect(graph.initializer.map(({ name }) => name)).toEqual(['0.weight', '0.bias']);
    const state = net.stateDict();
    const [weight, bias] = [state.get('0.weight')!.value, state.get('0.bias')!.value];
    const scale = [2 / Math.sqrt(3 + 1e-5), 1 / Math.sqrt(0.25 + 1e-5), -1 / Math.sqrt(1 + 1e-5)];
    const folded = numbersOf(initializer(graph, '0.weight'));
    folded.forEach((value, i) => expect(value).toBeCloseTo(weight[i]! * scale[i >> 1]!, 5));
    numbersOf(initializer(graph, '0.bias')).forEach((value, i) =>
      expect(value).toBeCloseTo((bias[i]! - [1, 0, -2][i]!) * scale[i]! + [0.5, 0, 1][i]!, 5),
    );
  });

  test('stays a node of its own when asked', async () => {
    const graph = await graphOf(model(), [2, 4, 4], { foldBatchNorm: false });
    expectWellFormed(graph);
    expect(opTypes(graph)).toEqual(['Conv', 'BatchNormalization']);
    expect(graph.node[1]!.input.slice(1)).toEqual(['1.weight', '1.bias', '1.running_mean', '1.running_var']);
    expect(attributesOf(graph.node[1]!).epsilon).toBeCloseTo(1e-5, 10);
    expect(numbersOf(initializer(graph, '1.running_mean'))).toEqual([1, 0, -2]);
  });
});

test('windows, padding and groups keep their order', async () => {
  const conv = new nn.Conv2d(4, 6, [3, 5], {
    stride: [2, 1],
    padding: [
      [1, 0],
      [2, 3],
    ],
    dilation: [1, 2],
    groups: 2,
  });
  const { node } = await graphOf(conv, [4, 9, 12]);
  expect(attributesOf(node[0]!)).toEqual({ kernel_shape: [3, 5], strides: [2, 1], pads: [1, 2, 0, 3], dilations: [1, 2], group: 2 });
});

describe('pooling', () => {
  const pooled = async (body: (x: Tensor) => Tensor, input: number[]): Promise<[string, Record<string, unknown>][]> => {
    const graph = await graphOf(new Lambda(body), input);
    expectWellFormed(graph);
    return graph.node.map((node) => [node.opType, attributesOf(node)]);
  };

  test('a size that is rounded up becomes padding', async () => {
    // 6 pixels, windows of 3 every 2: the third window reaches one pixel beyond.
    const [max] = await pooled((x) => ops.maxPool2d(x, 3, { stride: 2, ceilMode: true }), [1, 6, 7]);
    expect(max).toEqual(['MaxPool', { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 0], dilations: [1, 1] }]);
    const [mean] = await pooled((x) => ops.avgPool2d(x, 3, { stride: 2, ceilMode: true }), [1, 6, 7]);
    expect(mean).toEqual(['AveragePool', { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 0], count_include_pad: 0 }]);
  });

  test('padding counts in a mean and what lies beyond it does not', async () => {
    const nodes = await pooled((x) => ops.avgPool2d(x, 3, { stride: 2, padding: 1, ceilMode: true }), [1, 6, 6]);
    expect(nodes.map(([type]) => type)).toEqual(['Pad', 'AveragePool']);
    expect(nodes[1]![1]).toMatchObject({ pads: [0, 0, 1, 1], count_include_pad: 0 });
    const [plain] = await pooled((x) => ops.avgPool2d(x, 3, { stride: 2, padding: 1 }), [1, 7, 7]);
    expect(plain![1]).toMatchObject({ pads: [1, 1, 1, 1], count_include_pad: 1 });
  });

  test.each<[string, number, number[], string[], Record<string, unknown> | undefined]>([
    ['one window', 1, [2, 5, 6], ['GlobalAveragePool'], {}],
    ['windows side by side', 2, [2, 6, 8], ['AveragePool'], { kernel_shape: [3, 4], strides: [3, 4] }],
    ['windows that overlap evenly', 2, [2, 7, 7], ['AveragePool'], { kernel_shape: [4, 4], strides: [3, 3] }],
    ['as many pixels as before', 6, [2, 6, 6], ['Relu'], {}],
    ['more pixels than before', 2, [2, 1, 1], ['MatMul', 'MatMul'], undefined],
  ])('adaptive: %s', async (_, size, input, types, attributes) => {
    const nodes = await pooled((x) => ops.adaptiveAvgPool2d(types[0] === 'Relu' ? ops.relu(x) : x, size), input);
    expect(nodes.map(([type]) => type)).toEqual(types);
    if (attributes) expect(nodes[0]![1]).toEqual(attributes);
  });

  test('adaptive with windows of unequal extents is a product with means', async () => {
    const graph = await graphOf(new Lambda((x) => ops.adaptiveAvgPool2d(x, [3, 4])), [2, 5, 4]);
    expectWellFormed(graph);
    expect(opTypes(graph)).toEqual(['MatMul']);
    // Rows 0-1, 1-3 and 3-4 of 5.
    const third = Math.fround(1 / 3);
    expect(numbersOf(graph.initializer[0]!)).toEqual([0.5, 0.5, 0, 0, 0, 0, third, third, third, 0, 0, 0, 0, 0.5, 0.5]);
  });
});

test('any batch size fits what depends on it alone', async () => {
  const graph = await graphOf(
    new Lambda((x) => ops.concat([ops.reshape(x, [x.shape[0]!, 2, 6]), ops.transpose(ops.reshape(x, [-1, 6, 2]), [0, 2, 1])])),
    [3, 2, 2],
  );
  expectWellFormed(graph);
  expect(dims(graph.output[0]!)).toEqual(['batch', 4, 6]);
  const shapes = graph.node.filter(({ opType }) => opType === 'Reshape').map(({ input }) => numbersOf(initializer(graph, input[1]!)));
  expect(shapes).toEqual([
    [-1, 2, 6],
    [-1, 6, 2],
  ]);
});

test('weights that are computed from parameters are computed once, under the name of their use', async () => {
  const raw = new nn.Parameter(tensor([[1, 2, 3]]));
  const graph = await graphOf(new Lambda((x, [w]) => ops.linear(x, ops.mul(w!, 2), { name: 'head' }), [raw]), [3]);
  expect(opTypes(graph)).toEqual(['Gemm']);
  expect(graph.node[0]!.input[1]).toBe('head.weight');
  expect(numbersOf(initializer(graph, 'head.weight'))).toEqual([2, 4, 6]);
});

test('a parameter that is used twice is written once', async () => {
  const shared = new nn.Parameter(tensor([[1, 0], [0, 1]])); // prettier-ignore
  const graph = await graphOf(new Lambda((x, [w]) => ops.linear(ops.relu(ops.linear(x, w!)), w!), [shared]), [2]);
  expect(graph.initializer.map(({ name }) => name)).toEqual(['p.0']);
});

test('an output that another node reads, and one that is the input', async () => {
  const twice = await graphOf(new Lambda((x) => ops.relu(x)), [2]);
  expect(twice.node.map(({ output }) => output)).toEqual([['logits']]);
  const none = await graphOf(new nn.Identity(), [2]);
  expectWellFormed(none);
  expect(opTypes(none)).toEqual(['Identity']);
});

test('dropout vanishes and the modes of the modules stay', async () => {
  const net = new nn.Sequential(new nn.Linear(4, 3), new nn.Dropout(0.5), new nn.ReLU());
  expect(opTypes(await graphOf(net, [4]))).toEqual(['Gemm', 'Relu']);
  expect(net.at(1)!.training).toBe(true);
});

describe('refusals', () => {
  const refuse = async (body: (x: Tensor) => Tensor, ...pieces: string[]): Promise<void> => {
    writeFileSync(path, 'old');
    await expectRejection('ERR_NOT_EXPORTABLE', exportOnnx(new Lambda(body), { input: [4], path }), 'exportOnnx', ...pieces);
    expect(readdirSync(folder)).toEqual(['model.onnx']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  };

  test('operations without a form', () => refuse((x) => ops.dropout(x, 0.5, { name: 'noise' }), 'dropout "noise" has no form in ONNX'));
  test('constants of the batch size', async () => {
    await refuse((x) => ops.add(x, ones(x.shape), { name: 'shift' }), 'add "shift" takes a constant of shape [2, 4]');
    await refuse((x) => ops.add(x, ops.broadcastTo(tensor([[1]]), x.shape)), 'broadcastTo cannot be written for every batch size');
    await refuse((x) => ops.mul(ops.sum(x, { axis: 0 }), 1 / x.shape[0]!), 'mul takes a constant of shape []');
  });
  test('shapes with the batch size in several extents', () =>
    refuse((x) => ops.reshape(ops.matmul(x, ops.transpose(x)), [x.shape[0]!, 1, x.shape[0]!]), 'several extents'));
  test('parts that depend on the batch size', async () => {
    await refuse(
      (x) => ops.slice(x, [x.shape[0]! - 1], [x.shape[0]!], { name: 'last' }),
      'slice "last" cannot be written for every batch size',
    );
    await refuse((x) => (x.shape[0] === 2 ? ops.relu(x) : ops.sigmoid(x)), 'other operations for another batch size');
  });
  test('outputs without an input', () => refuse(() => ones([2, 2]), 'does not depend on its input'));

  test('files over the limit of the format, before anything is allocated', async () => {
    await expectRejection(
      'ERR_NOT_EXPORTABLE',
      exportOnnx(new nn.Linear(30_000, 30_000), { input: [30_000], path }),
      'at most 2147483647 bytes but this model takes 36001',
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test('arguments', async () => {
    const model = new nn.ReLU();
    await expectRejection('ERR_INVALID_ARGUMENT', exportOnnx({} as nn.Module, { input: [2], path }), 'exportOnnx expects an nn.Module');
    await expectRejection('ERR_UNKNOWN_OPTION', exportOnnx(model, { input: [2], path, fold: true } as never), 'no option "fold"');
    await expectRejection('ERR_INVALID_ARGUMENT', exportOnnx(model, { input: [2], path: '' }), 'name of a file');
    await expectRejection('ERR_INVALID_ARGUMENT', exportOnnx(model, { input: [0], path }), 'exportOnnx expects input');
    await expectRejection('ERR_FILE_ACCESS', exportOnnx(model, { input: [2], path: join(folder, 'no', 'x.onnx') }), 'does not exist');
    await expectRejection('ERR_FILE_ACCESS', exportOnnx(model, { input: [2], path: folder }), folder);
    await expectRejection('ERR_SHAPE_MISMATCH', exportOnnx(new nn.Linear(3, 2), { input: [4], path }), 'expects an input of shape');
    expect(readdirSync(folder)).toEqual([]);
  });
});
