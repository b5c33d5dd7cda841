/** stridenet train: a model from a data set to a weights file, with what it learned. */

import { resolve } from 'node:path';
import { checkWritable } from '../../io/replaceFile';
import type { Dataset } from '../../data';
import { crossEntropy, type Module } from '../../nn';
import { constant, cosine, sgd } from '../../optim';
import { manualSeed } from '../../random';
import { nativeInfo } from '../../runtime/binding';
import { fit, type EpochRecord, type History } from '../../train';
import type { Arguments, Command, Terminal } from '../arguments';
import { DATA_OPTIONS, loadData } from '../datasets';
import { checkImages, findModel, initOf, MODEL_OPTIONS, saveModel, variantOf, type ModelOptions } from '../models';
import { confusion, formatConfusion, predictClasses } from '../predictions';

/** By convention 128 and the number of SIGINT. */
const EXIT_INTERRUPTED = 130;

export const train: Command = {
  name: 'train',
  operands: 'MODEL',
  operandCount: [1, 1],
  purpose: 'Trains a model and reports its accuracy on the test images. Ctrl-C stops after the step under way and saves what was learned.',
  options: {
    ...DATA_OPTIONS,
    epochs: { value: 'N', default: '10', help: 'passes over the training images' },
    'batch-size': { value: 'N', default: '64', help: 'images per step' },
    lr: { value: 'X', default: '0.05', help: 'learning rate' },
    momentum: { value: 'X', default: '0.9', help: 'momentum of SGD' },
    'weight-decay': { value: 'X', default: '0.0005', help: 'L2 penalty of SGD' },
    schedule: { value: 'NAME', default: 'cosine', help: 'cosine or constant learning rate' },
    'warmup-epochs': { value: 'X', help: 'epochs of linear warm-up of the cosine schedule (default 1, at most a fifth of all)' },
    'label-smoothing': { value: 'X', default: '0', help: 'label smoothing of the loss' },
    ...MODEL_OPTIONS,
    init: { value: 'NAME', help: "weights before training: xavier-uniform or xavier-normal (default PyTorch's)" },
    seed: { value: 'N', default: '1', help: 'of first weights and order; the same seed gives the same weights' },
    threads: { value: 'N', help: 'default: as many as this process may use' },
    out: { value: 'FILE', help: 'weights file to write (.safetensors)' },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

interface Setup {
  readonly name: string;
  readonly args: Arguments;
  readonly threads: number | undefined;
  readonly out: string | undefined;
}

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const name = args.operands[0]!;
  const entry = findModel(name);
  const options = readTraining(args);
  const setup: Setup = { name, args, threads: args.integer('threads', 1), out: args.text('out') };
  const variant: ModelOptions = { ...variantOf(args), ...initOf(args) };
  if (setup.out !== undefined) await checkWritable(setup.out);
  const data = await loadData(args);
  checkImages(name, entry, data.train.shape, `--data ${args.required('data')}`);

  manualSeed(options.seed);
  const modelOptions: ModelOptions = { classes: data.train.classes.length, inChannels: data.train.shape[0], ...variant };
  const model = entry.build(modelOptions);
  const save = async (): Promise<void> => {
    if (setup.out === undefined) return;
    const { classes: classNames, shape: input } = data.train;
    await saveModel(setup.out, model, { model: name, options: modelOptions, classNames, input });
  };

  const json = args.flag('json');
  const started = performance.now();
  const interrupt = onInterrupt(terminal);
  let history: History;
  try {
    history = await fit(model, data.train, {
      ...options,
      validation: data.test,
      metrics: ['accuracy'],
      threads: setup.threads,
      signal: interrupt.signal,
      progress: !json && terminal.interactive,
      callbacks: json || terminal.interactive ? [] : [{ onEpochEnd: (epoch) => terminal.out(formatEpoch(epoch, options.epochs)) }],
    });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    await save();
    terminal.err(
      `stridenet: interrupted; ${setup.out === undefined ? 'no --out was given, so nothing was saved' : `the weights so far are in ${setup.out}`}.`,
    );
    return EXIT_INTERRUPTED;
  } finally {
    interrupt.dispose();
  }
  await save();
  await report(setup, model, data.test, history, (performance.now() - started) / 1000, terminal);
  return 0;
}

/** Reads and checks everything that concerns training itself. */
function readTraining(args: Arguments) {
  const schedule = args.choice('schedule', ['cosine', 'constant'])!;
  const epochs = args.integer('epochs', 1)!;
  const warmupEpochs = args.number('warmup-epochs', 0) ?? Math.min(1, epochs / 5);
  const [lr, momentum, weightDecay] = [args.number('lr', 0)!, args.number('momentum', 0)!, args.number('weight-decay', 0)!];
  return {
    epochs,
    batchSize: args.integer('batch-size', 1)!,
    seed: args.integer('seed', 0)!,
    loss: crossEntropy({ labelSmoothing: args.number('label-smoothing', 0, 1)! }),
    optimizer: sgd({ lr, momentum, weightDecay }),
    schedule: schedule === 'cosine' ? cosine({ warmupEpochs }) : constant(),
  };
}

async function report(setup: Setup, model: Module, test: Dataset, history: History, seconds: number, terminal: Terminal): Promise<void> {
  const last = history.epochs.at(-1)!;
  const { isa, threads } = nativeInfo();
  const result = {
    model: setup.name,
    data: setup.args.required('data'),
    epochs: history.epochs.length,
    trainLoss: last.loss,
    trainAccuracy: last.accuracy,
    testLoss: last.valLoss,
    testAccuracy: last.valAccuracy,
    // Every epoch has as many images, so the mean speed is the harmonic one.
    imagesPerSecond: history.epochs.length / history.epochs.reduce((sum, epoch) => sum + 1 / epoch.imagesPerSecond, 0),
    seconds,
    threads: setup.threads ?? threads,
    isa,
    weights: setup.out === undefined ? null : resolve(setup.out),
  };
  if (setup.args.flag('json')) {
    terminal.out(JSON.stringify(result));
    return;
  }
  const predicted = await predictClasses(model, test, setup.threads);
  terminal.out(`\n${formatConfusion(confusion(test.labels, predicted, test.classes.length), test.classes)}\n`);
  terminal.out(`test accuracy  ${result.testAccuracy!.toFixed(4)}  (loss ${result.testLoss!.toFixed(4)}, ${test.length} images)`);
  terminal.out(`train accuracy ${result.trainAccuracy!.toFixed(4)}  (loss ${result.trainLoss.toFixed(4)}, mean over the last epoch)`);
  const speed = Math.round(result.imagesPerSecond).toLocaleString('en-US');
  terminal.out(`speed          ${speed} images/s in training; ${seconds.toFixed(1)} s in all; ${result.threads} threads, ${isa}`);
  terminal.out(`weights        ${result.weights ?? 'not saved (no --out)'}`);
}

function formatEpoch(epoch: EpochRecord, epochs: number): string {
  const speed = Math.round(epoch.imagesPerSecond).toLocaleString('en-US');
  return (
    `epoch ${epoch.epoch}/${epochs}  loss ${epoch.loss.toFixed(4)}  accuracy ${epoch.accuracy!.toFixed(4)}  ` +
    `test loss ${epoch.valLoss!.toFixed(4)}  test accuracy ${epoch.valAccuracy!.toFixed(4)}  ${speed} images/s`
  );
}

/** A signal that aborts at the first Ctrl-C; the second ends the process at once. */
function onInterrupt(terminal: Terminal): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const handler = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    terminal.err('stridenet: stopping after this step; Ctrl-C again ends at once without saving.');
    controller.abort();
  };
  process.on('SIGINT', handler);
  return { signal: controller.signal, dispose: () => void process.removeListener('SIGINT', handler) };
}
