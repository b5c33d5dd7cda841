/** stridenet train: a model from a data set to a weights file, with what it learned. */

import { resolve } from 'node:path';
import { formatValue } from '../../errors';
import { checkWritable } from '../../io/replaceFile';
import type { TrainTest } from '../../data';
import { findModel, type ModelOptions } from '../../models/catalogue';
import { crossEntropy, type Module } from '../../nn';
import { constant, cosine, sgd } from '../../optim';
import { manualSeed } from '../../random';
import { nativeInfo } from '../../runtime/binding';
import { evaluate, fit, type Callback, type EpochRecord, type History, type Trainer } from '../../train';
import { UsageError, type Arguments, type Command, type Terminal } from '../arguments';
import { CheckpointFile } from '../checkpoints';
import { DATA_OPTIONS, loadData } from '../datasets';
import { Interruption } from '../interruption';
import { checkImages, initOf, MODEL_OPTIONS, modelMetadata, saveModel, variantOf, type ModelDescription } from '../models';
import { confusion, formatConfusion, predictClasses } from '../predictions';
import { continuedArguments, runMetadata } from '../trainingRun';

export const train: Command = {
  name: 'train',
  operands: 'MODEL',
  operandCount: [1, 1],
  purpose:
    'Trains a model and reports its accuracy on the test images. Ctrl-C, SIGTERM and SIGHUP stop it after the step under way and save what was learned.',
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
    out: { value: 'FILE', help: 'weights file to write (.safetensors); FILE.checkpoint.safetensors beside it until training is done' },
    resume: { value: 'FILE', help: 'go on from this checkpoint, with the options that it was made with' },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

interface Training {
  readonly args: Arguments;
  readonly threads: number | undefined;
  readonly out: string | undefined;
  readonly options: ReturnType<typeof readTraining>;
  readonly data: TrainTest;
  readonly model: Module;
  readonly description: ModelDescription;
  readonly checkpoints: CheckpointFile | undefined;
  /** There once training has begun. */
  trainer?: Trainer;
}

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const training = await prepare(args, terminal);
  const started = performance.now();
  const interruption = new Interruption(terminal, 'stopping after this step');
  let history: History | undefined;
  try {
    history = await learn(training, interruption, terminal);
    interruption.doing = 'saving the weights';
    const kept = await keep(training, history !== undefined);
    if (interruption.exitCode !== undefined) {
      terminal.err(`stridenet: interrupted; ${kept}`);
      return interruption.exitCode;
    }
  } finally {
    interruption.dispose();
  }
  if (history) await report(training, history, (performance.now() - started) / 1000, terminal);
  return 0;
}

/** Reads and checks all there is to read, and builds the model. */
async function prepare(given: Arguments, terminal: Terminal): Promise<Training> {
  const name = given.operands[0]!;
  const entry = findModel(name);
  const args = await continuedArguments(given);
  const options = readTraining(args);
  const [threads, out] = [args.integer('threads', 1), args.text('out')];
  const variant: ModelOptions = { ...variantOf(args), ...initOf(args) };
  if (out !== undefined) await checkWritable(out);
  const data = await loadData(args);
  const { classes: classNames, shape: input } = data.train;
  checkImages(name, entry, input, `--data ${args.required('data')}`);

  manualSeed(options.seed);
  const modelOptions: ModelOptions = { classes: classNames.length, inChannels: input[0], ...variant };
  const model = entry.build(modelOptions);
  const description: ModelDescription = { model: name, options: modelOptions, classNames, input };
  const metadata = { ...modelMetadata(description), ...(await runMetadata(args)) };
  const checkpoints = out === undefined ? undefined : await CheckpointFile.beside(out, metadata, options.resume, terminal);
  return { args, threads, out, options, data, model, description, checkpoints };
}

/** Trains; undefined when that was interrupted. */
async function learn(training: Training, interruption: Interruption, terminal: Terminal): Promise<History | undefined> {
  const { args, threads, options, data, model, checkpoints } = training;
  const quiet = args.flag('json');
  const callback: Callback = {
    onTrainBegin: ({ trainer }) => {
      training.trainer = trainer;
      if (!quiet && trainer.epoch >= options.epochs) {
        terminal.out(
          `Nothing is left to train: ${formatValue(options.resume)} has ${trainer.epoch} of ${options.epochs} epochs behind it.`,
        );
      }
    },
    onEpochEnd: async (epoch, { trainer }) => {
      if (!quiet && !terminal.interactive) terminal.out(formatEpoch(epoch, options.epochs));
      if (epoch.epoch < options.epochs) await checkpoints?.save(trainer);
    },
  };
  try {
    const history = await fit(model, data.train, {
      ...options,
      validation: data.test,
      metrics: ['accuracy'],
      threads,
      signal: interruption.signal,
      progress: !quiet && terminal.interactive,
      callbacks: [callback],
    });
    if (history.epochs.length > 0) return history;
  } catch (error) {
    if (interruption.exitCode === undefined) throw error;
    return undefined;
  }
  throw new UsageError(`--epochs ${options.epochs} leaves nothing to do: ${formatValue(options.resume)} has as many epochs behind it.`);
}

/** Writes what was learned, and says where it is. */
async function keep({ args, out, model, description, checkpoints, trainer }: Training, isDone: boolean): Promise<string> {
  if (!trainer) return 'nothing was learned yet.';
  if (out === undefined) return 'no --out was given, so nothing was saved.';
  // The checkpoint first: whoever is killed now can go on from it.
  const goesOn = !isDone && ((await checkpoints?.save(trainer)) ?? false);
  await saveModel(out, model, description);
  if (isDone) await checkpoints?.remove();
  const advice = goesOn ? ` To go on: stridenet train ${args.operands[0]} --resume ${checkpoints!.path}` : '';
  return isDone ? `training was done, and the weights are in ${out}.` : `the weights so far are in ${out}.${advice}`;
}

/** Reads and checks everything that concerns training itself. */
function readTraining(args: Arguments) {
  const schedule = args.choice('schedule', ['cosine', 'constant'])!;
  const epochs = args.integer('epochs', 1)!;
  const warmupEpochs = args.number('warmup-epochs', 0) ?? Math.min(1, epochs / 5);
  const [lr, momentum, weightDecay] = [args.number('lr', 0)!, args.number('momentum', 0)!, args.number('weight-decay', 0)!];
  return {
    epochs,
    resume: args.text('resume'),
    batchSize: args.integer('batch-size', 1)!,
    seed: args.integer('seed', 0)!,
    loss: crossEntropy({ labelSmoothing: args.number('label-smoothing', 0, 1)! }),
    optimizer: sgd({ lr, momentum, weightDecay }),
    schedule: schedule === 'cosine' ? cosine({ warmupEpochs }) : constant(),
  };
}

async function report(training: Training, history: History, seconds: number, terminal: Terminal): Promise<void> {
  const { args, out, model } = training;
  const { test } = training.data;
  const last = history.epochs.at(-1)!;
  // The last epoch may be of a fit that measured less.
  const measured =
    last.valAccuracy === undefined
      ? await evaluate(model, test, { threads: training.threads })
      : { loss: last.valLoss, accuracy: last.valAccuracy };
  const { isa, threads } = nativeInfo();
  const result = {
    model: args.operands[0],
    data: args.required('data'),
    epochs: history.epochs.length,
    trainLoss: last.loss,
    trainAccuracy: last.accuracy,
    testLoss: measured.loss,
    testAccuracy: measured.accuracy,
    // Every epoch has as many images, so the mean speed is the harmonic one.
    imagesPerSecond: history.epochs.length / history.epochs.reduce((sum, epoch) => sum + 1 / epoch.imagesPerSecond, 0),
    seconds,
    threads: training.threads ?? threads,
    isa,
    weights: out === undefined ? null : resolve(out),
  };
  if (args.flag('json')) {
    terminal.out(JSON.stringify(result));
    return;
  }
  const predicted = await predictClasses(model, test, training.threads);
  terminal.out(`\n${formatConfusion(confusion(test.labels, predicted, test.classes.length), test.classes)}\n`);
  terminal.out(`test accuracy  ${result.testAccuracy!.toFixed(4)}  (loss ${result.testLoss!.toFixed(4)}, ${test.length} images)`);
  terminal.out(
    `train accuracy ${result.trainAccuracy?.toFixed(4) ?? 'not measured'}  (loss ${result.trainLoss.toFixed(4)}, mean over the last epoch)`,
  );
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
