/** stridenet train: a model from a data set to a weights file, with what it learned. */

import { resolve } from 'node:path';
import { isLazy } from '../../data/kinds';
import { formatValue, StridenetError } from '../../errors';
import { checkWritable } from '../../io/replaceFile';
import { findModel, type ModelOptions } from '../../models/catalogue';
import type { Module } from '../../nn';
import { manualSeed } from '../../random';
import { fit, type Callback, type History, type Trainer } from '../../train';
import { UsageError, type Arguments, type Command, type Terminal } from '../arguments';
import { CheckpointFile } from '../checkpoints';
import { formatSkipped, holdOut, loadData, skippedFiles, type AnyLoaded, type Loaded } from '../datasets';
import { Interruption } from '../interruption';
import { checkClassNames, checkImages, modelMetadata, saveModel, trainedClasses, type ModelDescription } from '../models';
import type { Settings } from '../settings/settings';
import { optionsOf, SETTINGS } from '../settings/table';
import { bestCallbacks, outputCallbacks, pictureOptionsOf, resolvedSettings, trainOptionsOf, type TrainOptions } from '../trainOptions';
import { EXIT_UNWRITTEN, formatEpoch, reportTraining } from '../trainingReport';
import { runMetadata, trainingRun, type TrainingRun } from '../trainingRun';

export const train: Command = {
  name: 'train',
  operands: '[MODEL]',
  operandCount: [0, 1],
  purpose:
    'Trains a model and reports its accuracy on the test images. Ctrl-C, SIGTERM and SIGHUP stop it after the step under way and save what was learned. ' +
    'Exit code 3: all was trained and saved, but a log or report could not be written.',
  options: {
    ...optionsOf(SETTINGS),
    config: { value: 'FILE', help: 'settings by their names in camelCase (.json, .js, .mjs, .ts); flags go before them' },
    resume: { value: 'FILE', help: 'go on from this checkpoint, with the settings that it was made with' },
    'dry-run': { help: 'build everything, print the resolved configuration and what would be trained, and train nothing' },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

interface Training extends TrainingRun {
  readonly json: boolean;
  readonly options: TrainOptions;
  readonly resolved: Settings;
  /** Where weights go; undefined when they go nowhere. */
  readonly out: string | undefined;
  readonly data: Loaded;
  /** Measured after each epoch. */
  readonly validation: AnyLoaded;
  readonly model: Module;
  readonly description: ModelDescription;
  readonly checkpoints: CheckpointFile | undefined;
  readonly best: readonly Callback[];
  /** There once training has begun. */
  trainer?: Trainer;
  /** Whether an interrupted training can go on from its checkpoint. */
  goesOn?: boolean;
}

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const isDry = args.flag('dry-run');
  const training = await prepare(args, isDry, terminal);
  if (isDry) {
    printPlan(training, terminal);
    return 0;
  }
  const started = performance.now();
  const interruption = new Interruption(terminal, 'stopping after this step');
  let history: History | undefined;
  try {
    history = await learn(training, interruption, terminal);
    interruption.doing = 'saving the weights';
    const kept = await keep(training, history !== undefined);
    if (interruption.exitCode !== undefined) {
      terminal.err(`stridenet: interrupted; ${kept}`);
      const skipped = skippedOf(training);
      if (skipped) terminal.err(`stridenet: left out: ${formatSkipped(skipped)}.`);
      return interruption.exitCode;
    }
  } finally {
    interruption.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  if (!history) return 0;
  const transforms = training.options.validationTransforms;
  const trained = { ...training, test: training.data.test, transforms, history, seconds, skipped: () => skippedOf(training) };
  await reportTraining(trained, training.json, terminal);
  for (const reason of history.unwritten ?? []) terminal.err(`stridenet: training was done, but a file lacks a part: ${reason}`);
  return history.unwritten ? EXIT_UNWRITTEN : 0;
}

function skippedOf({ settings, data }: Training): string[] | undefined {
  return skippedFiles(settings, [data.train, data.validation, data.test]);
}

/** @throws UsageError for two outputs in one file; StridenetError ERR_FILE_ACCESS */
async function checkOutputs(outputs: Readonly<Record<string, string | undefined>>): Promise<void> {
  const flags = new Map<string, string>();
  for (const [flag, path] of Object.entries(outputs)) {
    if (path === undefined) continue;
    const other = flags.get(resolve(path));
    if (other !== undefined) throw new UsageError(`--${other} and --${flag} expect files of their own but both got ${formatValue(path)}.`);
    flags.set(resolve(path), flag);
    await checkWritable(path);
  }
}

/** Reads and checks all there is to read, and builds the model. */
async function prepare(args: Arguments, isDry: boolean, terminal: Terminal): Promise<Training> {
  const run = await trainingRun(args);
  const { settings, origin, resume } = run;
  const entry = findModel(settings.model);
  const ofSettings = trainOptionsOf(settings, origin);
  const best = bestCallbacks(settings, origin);
  const out = settings.fastDevRun ? undefined : settings.out;
  await checkOutputs({ out, log: settings.log, report: settings.report });
  const loaded = await loadData(settings, entry.input);
  const data = settings.validation === undefined ? loaded : holdOut(loaded, settings.validation, settings.seed);
  const { classes: classNames } = data.train;
  const { options: ofPictures, shape: input } = pictureOptionsOf(settings, data.train);
  const options = { ...ofSettings, ...ofPictures };
  checkImages(
    settings.model,
    entry,
    input,
    `--data ${settings.data}${input.join() === data.train.shape.join() ? '' : ' behind its transforms'}`,
  );
  if (resume !== undefined && isLazy(data.train)) checkClassNames(resume, await trainedClasses(resume), classNames);

  manualSeed(settings.seed);
  const { activation, pooling, stem, init } = settings;
  const variant = Object.fromEntries(Object.entries({ activation, pooling, stem, init }).filter(([, value]) => value !== undefined));
  const modelOptions: ModelOptions = { classes: classNames.length, inChannels: input[0], ...variant };
  const model = entry.build(modelOptions);
  const description: ModelDescription = { model: settings.model, options: modelOptions, classNames, input };
  const metadata = { ...modelMetadata(description), ...(await runMetadata(settings)) };
  const checkpoints = out === undefined || isDry ? undefined : await CheckpointFile.beside(out, metadata, resume, terminal);
  const validation = data.validation ?? data.test;
  const resolved = resolvedSettings(settings, options);
  return { ...run, json: args.flag('json'), options, resolved, out, data, validation, model, description, checkpoints, best };
}

/** Trains; undefined when that was interrupted. */
async function learn(training: Training, interruption: Interruption, terminal: Terminal): Promise<History | undefined> {
  const { settings, options, data, validation, model, checkpoints, resolved, resume, resumeChanges, json } = training;
  const { epochs } = options;
  const validates = validation === data.test ? 'test' : 'validation';
  const first: Callback = {
    onTrainBegin: ({ trainer }) => {
      training.trainer = trainer;
      if (!json && trainer.epoch >= epochs) {
        terminal.out(`Nothing is left to train: ${formatValue(resume)} has ${trainer.epoch} of ${epochs} epochs behind it.`);
      }
    },
    // Before the best weights are put back: whoever goes on does so from where training stood.
    onFinally: async ({ trainer }) => {
      if (interruption.exitCode !== undefined) training.goesOn = (await checkpoints?.save(trainer)) ?? false;
    },
  };
  const last: Callback = {
    onEpochEnd: async (epoch, { trainer, params }) => {
      if (!json && !terminal.interactive) terminal.out(formatEpoch(epoch, params.epochs, validates));
      if (epoch.epoch < params.epochs && !trainer.stopped) await checkpoints?.save(trainer);
    },
  };
  try {
    const history = await fit(model, data.train, {
      ...options,
      resume,
      resumeChanges,
      validation,
      signal: interruption.signal,
      progress: !json && terminal.interactive,
      callbacks: [
        first,
        ...training.best,
        ...outputCallbacks(settings, resolved, { validation, transforms: options.validationTransforms }, resume !== undefined),
        last,
      ],
    });
    if (history.epochs.length > 0) return history;
  } catch (error) {
    if (interruption.exitCode === undefined) throw error;
    return undefined;
  }
  throw new UsageError(`--epochs ${epochs} leaves nothing to do: ${formatValue(resume)} has as many epochs behind it.`);
}

/** Writes what was learned, and says where it is. */
async function keep({ settings, out, model, description, checkpoints, trainer, goesOn }: Training, isDone: boolean): Promise<string> {
  if (!trainer) return 'nothing was learned yet.';
  if (out === undefined) return 'no --out was given, so nothing was saved.';
  await saveModel(out, model, description);
  if (isDone) await checkpoints?.remove();
  const advice = goesOn ? ` To go on: stridenet train ${settings.model} --resume ${checkpoints!.path}` : '';
  return isDone ? `training was done, and the weights are in ${out}.` : `the weights so far are in ${out}.${advice}`;
}

/** What would be trained. */
function printPlan({ resolved, settings, data, validation, model, description, json }: Training, terminal: Terminal): void {
  const { batchSize, dropLast, limitBatches, fastDevRun, epochs, accumulate = 1 } = settings;
  const all = dropLast ? Math.floor(data.train.length / batchSize) : Math.ceil(data.train.length / batchSize);
  if (all === 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `dropLast leaves no batch of ${data.train.length} images with batchSize ${batchSize}. Make it smaller.`,
    );
  }
  const limit = limitBatches !== undefined && limitBatches < 1 ? Math.max(1, Math.floor(limitBatches * all)) : limitBatches;
  const batches = fastDevRun ? 1 : Math.min(all, limit ?? all);
  const plan = {
    config: resolved,
    images: { train: data.train.length, validation: validation.length, test: data.test.length },
    shape: description.input,
    classes: data.train.classes.length,
    parameters: model.parameters().reduce((sum, { size }) => sum + size, 0),
    stepsPerEpoch: Math.ceil(batches / accumulate),
    epochs: fastDevRun ? 1 : epochs,
  };
  if (json) {
    terminal.out(JSON.stringify(plan));
    return;
  }
  const count = (value: number): string => value.toLocaleString('en-US');
  const { images } = plan;
  terminal.out(JSON.stringify(plan.config, undefined, 2));
  terminal.out(`\nparameters  ${count(plan.parameters)}`);
  const validates = validation === data.test ? 'the test images validate' : `${count(images.validation)} to validate`;
  terminal.out(
    `images      ${count(images.train)} to train, ${validates}, ${count(images.test)} to test; ${plan.shape!.join('x')}, ${plan.classes} classes`,
  );
  terminal.out(`steps       ${count(plan.stepsPerEpoch)} an epoch, ${count(plan.stepsPerEpoch * plan.epochs)} in all`);
  terminal.out('Nothing was trained (--dry-run).');
}
