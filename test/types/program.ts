/**
 * A program as a strict user writes it, compiled by every compiler of compilers.test.ts against the declarations alone. It is never run: each
 * `type<T>(value)` holds at compile time or is an error, and each @ts-expect-error stands before a mistake that the types must find.
 */
import {
  compile,
  compileStep,
  data,
  evaluate,
  fit,
  full,
  loadSafetensors,
  manualSeed,
  models,
  nn,
  ones,
  ops,
  optim,
  randn,
  saveSafetensors,
  summary,
  tensor,
  Tensor,
  Trainer,
  zeros,
  type DType,
  type Shape,
  type TypedArray,
} from 'stridenet';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Takes a value whose type is T itself, neither wider nor narrower. */
declare function type<T>(): <Value>(value: Value, ...different: Same<T, Value> extends true ? [] : [expected: T]) => void;
declare const anyTensor: Tensor;
declare const anyType: DType;

class Residual extends nn.Module {
  conv1 = new nn.Conv2d(8, 8, 3, { padding: 1, bias: false });
  bn1 = new nn.BatchNorm2d(8);
  scale = new nn.Parameter(ones([1]));
  blocks: nn.Module[] = [new nn.ReLU(), new nn.Identity()];
  forward(x: Tensor): Tensor {
    const y = this.bn1.forward(this.conv1.forward(x)).mul(this.scale);
    return this.blocks.reduce((value, block) => block.forward(value), ops.add(y, x));
  }
}

/** Layers may be extended by those who say no element type. */
export class Doubled extends nn.Linear {
  override forward(x: Tensor): Tensor {
    return super.forward(x).mul(2);
  }
}

export async function values(): Promise<void> {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  type<Tensor<'float32'>>()(x);
  type<Float32Array>()(await x.data());
  type<Float32Array>()(x.dataSync());
  type<Float32Array | undefined>()(x.value);
  type<'float32'>()(x.dtype);
  type<number>()(await x.item());
  type<number>()(x.itemSync());
  type<Shape>()(x.shape);

  type<Tensor<'float32'>>()(tensor(new Float32Array(4), [2, 2]));
  type<Int32Array>()(await tensor(new Int32Array(4)).data());
  type<Uint8Array>()(await tensor(new Uint8Array(4)).data());
  type<Int32Array>()(await tensor([1, 2], [2], { dtype: 'int32' }).data());
  type<Uint8Array>()(tensor(new Float32Array(2), undefined, { dtype: 'uint8' }).dataSync());
  for (const made of [zeros([2]), ones([2]), full([2], 3), randn([2], { seed: 1 })]) type<Tensor<'float32'>>()(made);

  // What is not known may be any of them, and stands where a definite one is asked for.
  type<TypedArray>()(await anyTensor.data());
  type<DType>()(anyTensor.dtype);
  type<TypedArray>()(await tensor([1], [1], { dtype: anyType }).data());
  const definite: Tensor<'float32'> = anyTensor;
  const wide: Tensor = definite;

  // Operations compute in float32; those that move elements keep the type.
  type<Float32Array>()(await ops.conv2d(x, x, { stride: 2, padding: 'same' }).data());
  type<Float32Array>()(await ops.exp(wide).add(1).matmul(x).sum({ axis: 0 }).data());
  type<Float32Array>()(ops.relu(x).dataSync());
  type<Float32Array>()(await new nn.Linear(2, 3).forward(x).data());
  const labels = tensor(Int32Array.of(1, 2));
  type<Int32Array>()(await labels.reshape([2, 1]).transpose().flatten(0).detach().data());
  type<Int32Array>()(await ops.slice(ops.concat([labels, labels], { axis: 0 }), [1]).data());
  type<Tensor<'float32'>>()(ops.crossEntropy(x, labels));
  type<Tensor<'float32'>[]>()(ops.grad(ops.mean(x), [x]));

  const weight = new nn.Conv2d(3, 8, 3).weight;
  type<Float32Array>()(await weight.data());
  const plain: Tensor<'float32'> = weight;
  void plain;

  // @ts-expect-error an int32 tensor is none of float32
  const wrong: Tensor<'float32'> = labels;
  void wrong;
  // @ts-expect-error arithmetic is that of float32
  ops.add(labels, 1);
  // @ts-expect-error also on the right
  x.mul(labels);
  // @ts-expect-error tensors are made by functions
  new Tensor('constant', [], {}, [], 'float32', '');
  // @ts-expect-error a misspelled option
  ops.conv2d(x, x, { strides: 2 });
  // @ts-expect-error a misspelled option of a layer
  new nn.Conv2d(1, 1, 1, { pad: 1 });
  // @ts-expect-error element types are those of DType
  tensor([1], [1], { dtype: 'float64' });
}

export async function training(): Promise<void> {
  manualSeed(1);
  const { train, test } = await data.mini();
  const model: nn.Module = models.lenet5({ classes: 10 });
  const history = await fit(model, train, {
    epochs: 1,
    batchSize: 64,
    validation: test,
    loss: nn.crossEntropy({ labelSmoothing: 0.1 }),
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
    schedule: optim.cosine({ warmupEpochs: 1 }),
    callbacks: [{ onEpochEnd: ({ epoch, loss }) => void (epoch + loss) }],
  });
  // An option may be left to its default by a condition, whatever the compiler says of properties that are not there.
  const none = undefined;
  await fit(model, train, { epochs: 1, optimizer: optim.sgd({ lr: none }), resume: none, loss: none, signal: none, threads: none });
  ops.conv2d(zeros([1, 1, 1, 1]), zeros([1, 1, 1, 1]), { bias: none, stride: none, name: none });
  new nn.Conv2d(1, 1, 1, { bias: none, padding: none });
  data.arrays(new Uint8Array(1), [0], { shape: none, classes: none, scale: none, layout: none });
  model.preprocess = { mean: none, std: none };
  models.resnet18({ classes: none, stem: none });
  type<number | undefined>()(history.epochs.at(-1)?.valAccuracy);
  // A loss of one's own may say what it takes.
  const loss = (output: Tensor<'float32'>, labels: Tensor<'int32'>): Tensor<'float32'> => ops.crossEntropy(output, labels);
  const { accuracy } = await evaluate(model, test, { loss });
  type<number | undefined>()(accuracy);

  const net = await compile(model, { input: [1, 28, 28], maxBatch: 8 });
  type<Float32Array>()(await (await net.run(new Uint8Array(784))).data());
  type<Float32Array>()(net.runSync(zeros([1, 28, 28])).dataSync());
  net.close();

  const trainer = new Trainer(new Residual(), { optimizer: optim.sgd(), input: [8, 4, 4], batchSize: 2 });
  const step = await trainer.step(new Float32Array(128), Int32Array.of(0, 1));
  type<number>()(step.loss);
  trainer.close();

  const residual = new Residual();
  const sgd = optim.sgd();
  const short = compileStep((io) => ({ loss: ops.mean(io.call(residual, io.input('x'))) }), {
    inputs: { x: ['n', 8, 4, 4] },
    batchSize: 2,
    model: residual,
    optimizer: sgd,
  });
  const found = await short.run({ x: new Float32Array(128) });
  type<number>()(found.loss);
  const long = compileStep(
    (io) => {
      const y = io.call(residual, io.input('x'));
      return { updates: [io.minimize(ops.mean(y), residual, sgd, { gradientClipNorm: 1 })], outputs: { y } };
    },
    { inputs: { x: { shape: [2, 8, 4, 4], dtype: 'uint8', mean: [0.5] } } },
  );
  type<number | Tensor>()((await long.run({ x: new Uint8Array(256) })).y);
  const said = compileStep<{ y: Tensor }>((io) => ({ outputs: { y: io.input('x') } }), { inputs: { x: [2] } });
  type<Tensor>()((await said.run({ x: [1, 2] })).y);
  for (const step of [short, long, said]) step.close();

  const weights = await loadSafetensors('weights.safetensors');
  model.loadStateDict(weights, { strict: false });
  await saveSafetensors('weights.safetensors', model.stateDict());
  type<string>()(`${summary(model, [1, 1, 28, 28])}`);
  for (const parameter of model.parameters()) type<boolean>()(parameter.requiresGrad);

  // @ts-expect-error a misspelled option
  await fit(model, train, { epoch: 1, optimizer: optim.sgd() });
  // @ts-expect-error a compiled model is made by `compile`
  new (net.constructor as typeof import('stridenet').CompiledModel)();
}
