/**
 * Arguments that work, by exported name: hostile calls start from them, so that they come further than the first check. A name that is
 * missing here is called with arguments of any kind.
 */

import path from 'node:path';
import * as stridenet from '../../lib/index';
import type { Tensor } from '../../lib/graph/tensor';
import type { Dataset, Example } from '../../lib/data/dataset';
import { REPOSITORY_DATA } from './places';

const { tensor, nn, ops, optim, transforms } = stridenet;

/** A picture of one pixel. */
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC', 'base64');

/** Small valid values, made anew for every call, since a hostile call may break them. */
export class World {
  /** Whatever must be closed in the end. */
  private readonly open: { close(): void }[] = [];
  readonly signal = AbortSignal.timeout(200);

  image(): Tensor {
    return tensor(
      Float32Array.from({ length: 32 }, (_, i) => i / 32),
      [1, 2, 4, 4],
    );
  }
  weight(): Tensor {
    return tensor(
      Float32Array.from({ length: 16 }, (_, i) => i / 16),
      [2, 2, 2, 2],
    );
  }
  matrix(): Tensor {
    return tensor([[1, 2], [3, 4]]); // prettier-ignore
  }
  vector(): Tensor {
    return tensor([1, 2]);
  }
  labels(): Tensor {
    return tensor(Int32Array.of(0, 1), [2]);
  }
  parameter(): InstanceType<typeof nn.Parameter> {
    return new nn.Parameter([2, 3]);
  }
  model(): InstanceType<typeof nn.Module> {
    return new nn.Sequential(
      new nn.Conv2d(1, 2, 3, { padding: 1 }),
      new nn.BatchNorm2d(2),
      new nn.ReLU(),
      new nn.Flatten(),
      new nn.Linear(32, 2),
    );
  }
  dataset(): Dataset {
    return {
      images: Float32Array.from({ length: 64 }, (_, i) => i / 64),
      labels: Int32Array.of(0, 1, 0, 1),
      shape: [1, 4, 4],
      classes: ['a', 'b'],
      length: 4,
    };
  }
  images(): Float32Array {
    return Float32Array.from({ length: 32 }, (_, i) => i / 32);
  }
  trainerOptions(): object {
    return {
      optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
      loss: nn.crossEntropy(),
      input: [1, 4, 4],
      batchSize: 2,
      threads: 1,
      seed: 1,
    };
  }
  trainer(): stridenet.Trainer {
    return this.closing(new stridenet.Trainer(this.model(), this.trainerOptions() as stridenet.TrainerOptions));
  }
  async compiled(): Promise<stridenet.CompiledModel> {
    return this.closing(await stridenet.compile(this.model(), { input: [1, 4, 4], maxBatch: 2, threads: 1 }));
  }
  stepArguments(): Parameters<typeof stridenet.compileStep> {
    const model = this.model();
    const optimizer = optim.sgd({ lr: 0.1 });
    return [
      (io) => {
        const loss = ops.crossEntropy(io.call(model, io.input('images')), io.input('labels'));
        return { updates: [io.minimize(loss, model, optimizer)], outputs: { loss } };
      },
      { inputs: { images: ['n', 1, 4, 4], labels: { shape: ['n'], dtype: 'int32' } }, batchSize: 2, threads: 1, seed: 1 },
    ];
  }
  compiledStep(): ReturnType<typeof stridenet.compileStep> {
    return this.closing(stridenet.compileStep(...this.stepArguments()));
  }
  async saved(): Promise<string> {
    await stridenet.saveSafetensors('saved.safetensors', this.model().stateDict());
    return 'saved.safetensors';
  }
  async checkpoint(): Promise<string> {
    await this.trainer().save('checkpoint.safetensors');
    return 'checkpoint.safetensors';
  }

  closing<T extends { close(): void }>(value: T): T {
    this.open.push(value);
    return value;
  }
  close(): void {
    for (const each of this.open.splice(0)) each.close();
  }
}

export type Arguments = (world: World) => readonly unknown[] | Promise<readonly unknown[]>;

const one: Arguments = (w) => [w.image(), { name: 'x' }];
const two: Arguments = (w) => [w.matrix(), w.vector(), { name: 'x' }];
const none: Arguments = () => [];
const forward: Arguments = (w) => [w.image()];

/** By the path of the export; methods stand behind the class. */
export const SAMPLES: Readonly<Record<string, Arguments>> = {
  tensor: () => [[[1, 2], [3, 4]], [2, 2], { dtype: 'float32' }], // prettier-ignore
  zeros: () => [[2, 3]],
  ones: () => [[2, 3]],
  full: () => [[2, 3], 1.5],
  randn: () => [[2, 3], { seed: 1 }],
  manualSeed: () => [1],
  summary: (w) => [w.model(), [1, 1, 4, 4], {}],
  StridenetError: () => ['ERR_CLOSED', 'text', {}],
  compile: (w) => [
    w.model(),
    { input: [1, 4, 4], maxBatch: 2, threads: 1, algorithm: 'fast', layout: 'nhwc', preprocess: { scale: 1, mean: [0.5], std: [2] } },
  ],
  evaluate: (w) => [w.model(), w.dataset(), { batchSize: 2, threads: 1, metrics: ['accuracy'], loss: nn.crossEntropy(), signal: w.signal }],
  fit: (w) => [
    w.model(),
    w.dataset(),
    {
      epochs: 1, batchSize: 2, validation: w.dataset(), loss: nn.crossEntropy(), metrics: ['accuracy'], optimizer: optim.sgd({ lr: 0.1 }),
      schedule: optim.cosine(), callbacks: [{ onEpochEnd: () => undefined }], signal: w.signal, seed: 1, progress: false, threads: 1,
    },
  ], // prettier-ignore
  compileStep: (w) => w.stepArguments(),
  'CompiledStep.run': (w) => [{ images: w.images(), labels: Int32Array.of(0, 1) }],
  'CompiledStep.setLearningRate': () => [optim.sgd(), 0.1],
  'CompiledStep.loadStateDict': (w) => [w.compiledStep().stateDict()],
  lrFinder: (w) => [
    w.model(),
    w.dataset(),
    {
      optimizer: optim.sgd({ lr: 0.1 }), loss: nn.crossEntropy(), minLr: 1e-4, maxLr: 1, steps: 3, batchSize: 2, smoothing: 0.1, stopFactor: 4,
      seed: 1, threads: 1, signal: w.signal,
    },
  ], // prettier-ignore
  Trainer: (w) => [w.model(), w.trainerOptions()],
  'Trainer.step': (w) => [w.images(), Int32Array.of(0, 1)],
  'Trainer.evaluate': (w) => [w.dataset(), { signal: w.signal }],
  'Trainer.save': () => ['trainer.safetensors'],
  'Trainer.resume': async (w) => [await w.checkpoint(), w.model(), w.trainerOptions()],
  'Trainer.learningRate': () => [0.1],
  'CompiledModel.run': (w) => [w.images()],
  'CompiledModel.runSync': (w) => [w.images()],
  'CompiledModel.listing': () => [1, 'float32'],
  loadSafetensors: async (w) => [await w.saved()],
  readSafetensorsMetadata: async (w) => [await w.saved()],
  saveSafetensors: (w) => ['out.safetensors', new Map([['a', w.matrix()]]), { a: 'b' }],
  exportOnnx: (w) => [w.model(), { input: [1, 4, 4], path: 'out.onnx', foldBatchNorm: true }],

  'Tensor.reshape': () => [[2, 2]],
  'Tensor.transpose': () => [[0, 2, 1, 3]],
  'Tensor.flatten': () => [1],
  ...Object.fromEntries(
    Object.keys(ops)
      .filter((name) => name !== 'grad')
      .map((name) => [`ops.${name}`, ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum'].includes(name) ? two : one]),
  ),
  'ops.conv2d': (w) => [
    w.image(),
    w.weight(),
    {
      bias: w.vector(),
      stride: [1, 2],
      padding: [
        [1, 0],
        [0, 1],
      ],
      dilation: 1,
      groups: 1,
      name: 'x',
    },
  ],
  'ops.maxPool2d': (w) => [w.image(), 2, { stride: [1, 2], padding: 1, dilation: 1, ceilMode: true }],
  'ops.avgPool2d': (w) => [w.image(), [2, 2], { stride: 2, padding: 'same', ceilMode: false, countIncludePad: true }],
  'ops.adaptiveAvgPool2d': (w) => [w.image(), [2, 3], {}],
  'ops.concat': (w) => [[w.matrix(), w.matrix()], { axis: 1 }],
  'ops.slice': (w) => [w.image(), [0, 0, 1, 1], [1, 2, 3, 4], {}],
  'ops.pad2d': (w) => [w.image(), [[1, 1], [2, 0]], { mode: 'constant', value: 1 }], // prettier-ignore
  'ops.dropout': (w) => [w.image(), 0.5, { training: true }],
  'ops.dropout2d': (w) => [w.image(), 0.5, { training: true }],
  'ops.linear': (w) => [w.matrix(), w.matrix(), { bias: w.vector() }],
  'ops.matmul': (w) => [w.matrix(), w.matrix()],
  'ops.batchNorm2d': (w) => [
    w.image(),
    { runningMean: w.vector(), runningVar: w.vector(), weight: w.vector(), bias: w.vector(), training: false, momentum: 0.1, eps: 1e-5 },
  ],
  'ops.localResponseNorm': (w) => [w.image(), { size: 2, alpha: 1e-4, beta: 0.75, k: 1 }],
  'ops.broadcastTo': (w) => [w.vector(), [3, 2]],
  'ops.sum': (w) => [w.image(), { axis: [1, 2], keepDims: true }],
  'ops.mean': (w) => [w.image(), { axis: -1, keepDims: false }],
  'ops.max': (w) => [w.image(), { axis: 0 }],
  'ops.reshape': (w) => [w.image(), [2, 16]],
  'ops.flatten': (w) => [w.image(), 1, {}],
  'ops.transpose': (w) => [w.image(), [0, 2, 1, 3], {}],
  'ops.clamp': (w) => [w.image(), { min: 0, max: 1 }],
  'ops.gelu': (w) => [w.image(), { approximate: 'tanh' }],
  'ops.leakyRelu': (w) => [w.image(), { negativeSlope: 0.1 }],
  'ops.bceWithLogits': (w) => [w.matrix(), w.matrix(), { posWeight: w.vector(), reduction: 'mean' }],
  'ops.crossEntropy': (w) => [w.matrix(), w.labels(), { labelSmoothing: 0.1, weight: w.vector(), ignoreIndex: 1, reduction: 'none' }],
  'ops.nllLoss': (w) => [w.matrix(), w.labels(), { weight: w.vector(), ignoreIndex: 1, reduction: 'mean' }],
  'ops.mseLoss': (w) => [w.matrix(), w.matrix(), { reduction: 'sum' }],
  'ops.l1Loss': (w) => [w.matrix(), w.matrix(), { reduction: 'none' }],
  'ops.smoothL1Loss': (w) => [w.matrix(), w.matrix(), { beta: 0.5, reduction: 'mean' }],
  'ops.huberLoss': (w) => [w.matrix(), w.matrix(), { delta: 0.5, reduction: 'mean' }],
  'ops.hingeLoss': (w) => [w.matrix(), w.matrix(), { margin: 0.5, reduction: 'mean' }],
  'ops.klDiv': (w) => [w.matrix(), w.matrix(), { logTarget: true, reduction: 'batchmean' }],
  'ops.focalLoss': (w) => [w.matrix(), w.labels(), { gamma: 2, alpha: w.vector(), ignoreIndex: 1, reduction: 'mean' }],
  'ops.diceLoss': (w) => [w.matrix(), w.labels(), { smooth: 1, ignoreIndex: 1, reduction: 'mean' }],
  'ops.tripletMarginLoss': (w) => [w.matrix(), w.matrix(), w.matrix(), { margin: 1, p: 2, eps: 1e-6, swap: true, reduction: 'mean' }],
  'ops.cosineEmbeddingLoss': (w) => [w.matrix(), w.matrix(), tensor([1, -1]), { margin: 0.1, reduction: 'mean' }],
  'ops.countCorrect': (w) => [w.matrix(), w.labels()],
  'ops.countTopK': (w) => [w.matrix(), w.labels(), 2, { ignoreIndex: 1 }],
  'ops.confusionCounts': (w) => [w.matrix(), w.labels(), { ignoreIndex: 1 }],
  'ops.softmax': (w) => [w.image(), { axis: 1 }],
  'ops.logSoftmax': (w) => [w.image(), { axis: -1 }],
  'ops.grad': (w) => {
    const x = w.matrix();
    return [ops.sum(ops.mul(x, x)), [x]];
  },

  'nn.Sequential': () => [new nn.ReLU(), new nn.Sigmoid()],
  'nn.Conv2d': () => [2, 4, [2, 3], { stride: 1, padding: 'same', dilation: 1, groups: 2, bias: true }],
  'nn.Linear': () => [4, 2, { bias: true }],
  'nn.MaxPool2d': () => [2, { stride: 1, padding: 1, dilation: 1, ceilMode: true }],
  'nn.AvgPool2d': () => [2, { stride: 1, padding: 1, ceilMode: true, countIncludePad: false }],
  'nn.AdaptiveAvgPool2d': () => [[2, 2]],
  'nn.ZeroPad2d': () => [[[1, 1], [0, 2]]], // prettier-ignore
  'nn.ReflectionPad2d': () => [[1, 1]],
  'nn.ReplicationPad2d': () => [1],
  'nn.Dropout': () => [0.5],
  'nn.Dropout2d': () => [0.5],
  'nn.BatchNorm2d': () => [2, { eps: 1e-5, momentum: 0.1, affine: true, trackRunningStats: true }],
  'nn.LocalResponseNorm': () => [2, { alpha: 1e-4, beta: 0.75, k: 1 }],
  'nn.Flatten': () => [{ startAxis: 1 }],
  'nn.LeakyReLU': () => [{ negativeSlope: 0.1 }],
  'nn.GELU': () => [{ approximate: 'none' }],
  'nn.Softmax': () => [{ axis: 1 }],
  'nn.LogSoftmax': () => [{ axis: 1 }],
  'nn.Parameter': () => [[2, 3]],
  'nn.Variable': (w) => [w.matrix()],
  'nn.crossEntropy': () => [{ labelSmoothing: 0.1, weight: [1, 2], ignoreIndex: 1, reduction: 'mean' }],
  'nn.nll': () => [{ weight: [1, 2], ignoreIndex: 1, reduction: 'mean' }],
  'nn.focal': () => [{ gamma: 2, alpha: [1, 2], targets: 'classes', ignoreIndex: 1, reduction: 'mean' }],
  'nn.dice': () => [{ smooth: 1, targets: 'classes', ignoreIndex: 1, reduction: 'mean' }],
  'nn.smoothL1': () => [{ beta: 1, reduction: 'mean' }],
  'nn.huber': () => [{ delta: 1, reduction: 'mean' }],
  'nn.hinge': () => [{ margin: 1, reduction: 'mean' }],
  'nn.klDiv': () => [{ logTarget: true, reduction: 'batchmean' }],
  'nn.tripletMargin': () => [{ margin: 1, p: 2, eps: 1e-6, swap: true, reduction: 'mean' }],
  'nn.cosineEmbedding': () => [{ margin: 0.1, reduction: 'mean' }],
  'metrics.accuracy': () => [{ threshold: 0.5, name: 'mine' }],
  'metrics.topK': () => [5, { ignoreIndex: 1, name: 'mine' }],
  'metrics.auc': () => [{ average: 'none', name: 'mine' }],
  'metrics.confusionMatrix': () => [{ ignoreIndex: 1, name: 'mine' }],
  'metrics.precision': () => [{ average: 'micro', ignoreIndex: 1, name: 'mine' }],
  'metrics.recall': () => [{ class: 1, name: 'mine' }],
  'metrics.f1': () => [{ average: 'none', threshold: 0.5, name: 'mine' }],
  'metrics.iou': () => [{ average: 'weighted', ignoreIndex: 1, name: 'mine' }],
  'nn.mseLoss': () => [{ reduction: 'mean' }],
  'nn.bceWithLogits': (w) => [{ posWeight: w.vector(), reduction: 'mean' }],
  'nn.Sequential.at': () => [0],
  'nn.Module.forward': forward,
  'nn.Module.loadStateDict': (w) => [w.model().stateDict(), { strict: false }],
  'nn.Module.apply': () => [(m: unknown) => m],
  'nn.Module.train': () => [true],
  'nn.Module.preprocess': () => [{ scale: 1, mean: [1, 2], std: [1], layout: 'nhwc' }],
  'nn.init.uniform': (w) => [w.parameter(), { a: -1, b: 1 }],
  'nn.init.normal': (w) => [w.parameter(), { mean: 0, std: 1 }],
  'nn.init.constant': (w) => [w.parameter(), 1],
  'nn.init.zeros': (w) => [w.parameter()],
  'nn.init.ones': (w) => [w.parameter()],
  'nn.init.xavierUniform': (w) => [w.parameter(), { gain: 1 }],
  'nn.init.xavierNormal': (w) => [w.parameter(), { gain: 1 }],
  'nn.init.kaimingUniform': (w) => [w.parameter(), { a: 0, mode: 'fanIn', nonlinearity: 'relu' }],
  'nn.init.kaimingNormal': (w) => [w.parameter(), { a: 0, mode: 'fanOut', nonlinearity: 'leakyRelu' }],
  'nn.init.calculateGain': () => ['leakyRelu', 0.1],

  'optim.sgd': () => [{ lr: 0.1, momentum: 0.9, weightDecay: 1e-4, nesterov: true }],
  'optim.cosine': () => [{ warmupEpochs: 1, minFactor: 0.1 }],
  'optim.constant': none,

  'transforms.create': () => ['randomCrop', { size: 4, padding: [1, 2], fill: [1, 2, 3], paddingMode: 'edge', padIfNeeded: true }],
  'transforms.randomCrop': () => [[4, 3], { padding: 1, padIfNeeded: true, fill: 3, paddingMode: 'reflect' }],
  'transforms.centerCrop': () => [[4, 3]],
  'transforms.randomResizedCrop': () => [4, { scale: [0.2, 1], ratio: [0.5, 2], interpolation: 'bicubic', antialias: false }],
  'transforms.resize': () => [4, { interpolation: 'nearest', antialias: true }],
  'transforms.randomRotation': () => [[-5, 9], { interpolation: 'bilinear', fill: [1], center: [1, 2] }],
  'transforms.randomAffine': () => [{ degrees: 3, translate: [0.1, 0], scale: [1, 2], shear: [1, 2, 3, 4], center: [0, 0] }],
  'transforms.randomPerspective': () => [{ distortionScale: 0.2, p: 1, fill: 3 }],
  'transforms.colorJitter': () => [{ brightness: 0.2, contrast: [0.1, 2], saturation: 1, hue: [-0.1, 0.2] }],
  'transforms.grayscale': () => [{ numOutputChannels: 3 }],
  'transforms.randomPosterize': () => [3, { p: 1 }],
  'transforms.randomSolarize': () => [128, { p: 1 }],
  'transforms.randomAdjustSharpness': () => [2, { p: 1 }],
  'transforms.gaussianBlur': () => [[3, 5], { sigma: [0.1, 2] }],
  'transforms.randomErasing': () => [{ p: 1, scale: [0.1, 0.2], ratio: [1, 2], value: 'random' }],
  'transforms.randAugment': () => [{ numOps: 1, magnitude: 3, numMagnitudeBins: 5, interpolation: 'bilinear', fill: null }],
  'transforms.trivialAugmentWide': () => [{ numMagnitudeBins: 5, fill: [1, 2, 3] }],
  'transforms.mixup': () => [{ alpha: 0.2 }],
  'transforms.cutmix': () => [{ alpha: 0.2 }],
  'callbacks.checkpoint': () => [{ path: 'model-{epoch}.safetensors', keep: 3, monitor: 'valAccuracy', mode: 'max' }],
  'callbacks.earlyStopping': () => [
    { monitor: 'valLoss', mode: 'min', patience: 2, minDelta: 0.1, baseline: 1, restoreBest: true, startFromEpoch: 1 },
  ],
  'callbacks.csvLogger': () => ['log.csv', { append: true, separator: ';' }],
  'callbacks.htmlReport': (w) => ['report.html', { validation: w.dataset(), mistakes: 2, title: 'run', configuration: { ema: 0.9 } }],
  'callbacks.jsonLogger': () => ['log.jsonl', { append: true, everyBatch: true }],
  'callbacks.lambda': () => [{ onEpochEnd: () => undefined }],
  'callbacks.learningRateMonitor': () => [{ every: 'batch', print: false }],
  'callbacks.tensorBoard': () => ['run', { histogramEvery: 2, everyBatch: true, images: () => ({}), hyperparameters: { lr: 0.1 } }],

  'data.mini': none,
  'data.preview': (w) => [
    { ...w.dataset(), images: new Uint8Array(64) },
    4,
    { path: 'preview.png', columns: 2, seed: 1, augment: [transforms.randomCrop(3), { name: 'randomInvert', options: { p: 1 } }] },
  ],
  'data.arrays': () => [
    new Uint8Array(24),
    [0, 1],
    { shape: [3, 2, 2], layout: 'nhwc', classes: ['a', 'b'], scale: 1, mean: [1, 2, 3], std: [1] },
  ],
  'data.take': (w) => [w.dataset(), 2],
  'data.subset': (w) => [w.dataset(), [0, 2]],
  'data.skip': (w) => [w.dataset(), 2],
  'data.split': (w) => [w.dataset(), { validation: 0.5, stratified: true, seed: 1 }],
  'data.concat': (w) => [w.dataset(), w.dataset()],
  'data.map': (w) => [w.dataset(), ({ image, label }: Example) => ({ image, label }), { shape: [1, 4, 4], classes: ['a', 'b'] }],
  'data.balance': (w) => [w.dataset(), { seed: 1, replacement: false }],
  'data.classWeights': (w) => [w.dataset()],
  'data.from': (w) => [[[w.images().subarray(0, 16), 1]], { shape: [1, 4, 4], classes: ['a', 'b'], length: 1, labelType: 'int32' }],
  'data.shuffleBuffer': () => [stridenet.data.from([], { shape: [1, 4, 4], classes: 2 }), 4, { seed: 1 }],
  'data.readImage': () => [PNG, { size: [2, 2], channels: 3, fit: 'cover', background: [0, 0, 0] }],
  'data.imageFolder': () => [
    REPOSITORY_DATA,
    { size: [2, 2], channels: 3, onError: 'skip', cache: false, concurrency: 1, extensions: ['.gz'] },
  ],
  'data.imageList': () => [[{ path: 'none.png', label: 'a' }], { size: [2, 2], columns: { path: 'path', label: 'label' }, separator: ';' }],
  'data.cifar10': () => [REPOSITORY_DATA],
  'data.cifar100': () => [REPOSITORY_DATA, { labels: 'coarse' }],
  'data.npy': () => [path.join(REPOSITORY_DATA, 't10k-labels-idx1-ubyte.gz')],
  'data.npz': () => [path.join(REPOSITORY_DATA, 't10k-labels-idx1-ubyte.gz')],
  'data.directory': () => [REPOSITORY_DATA, { classes: [...'abcdefghij'] }],
  'data.readIdx': () => [path.join(REPOSITORY_DATA, 't10k-labels-idx1-ubyte.gz')],
  'data.fashionMnist': () => [{ cache: 'cache', download: false }],
  'data.mnist': () => [{ cache: 'cache', download: false }],

  'models.resnetCifar': () => [20, { classes: 10, inChannels: 3 }],
  ...Object.fromEntries(
    Object.keys(stridenet.models)
      .filter((name) => name !== 'resnetCifar')
      .map((name) => [`models.${name}`, () => [{ classes: 10, inChannels: 1 }]]),
  ),
};
