/** Trainer: one model, one optimizer, one step at a time. What `fit` is made of, and for training loops of one's own. */

import { checkInteger, checkNumber, checkOptions, formatValue, StridenetError } from '../errors';
import { checkTargetShape, type AnyDataset } from '../data/dataset';
import { readSampleWeights, type SampleWeights } from '../data/values';
import type { Graph } from '../graph/graph';
import { rememberPreprocessing, type Preprocessing } from '../graph/preprocess';
import { formatObject, INSPECT, styleOf, type InspectOptions } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import type { Shape, TypedArray } from '../graph/types';
import { checkMetricList } from '../metrics/list';
import type { Metric, MetricValue } from '../metrics/metric';
import * as models from '../models';
import { lossRecipe, type Loss } from '../nn/loss';
import { isFrozen, type Module } from '../nn/module';
import { Variable, type Parameter } from '../nn/parameter';
import { recipeOf } from '../nn/recipe';
import { randomStepValue } from '../ops/dropout';
import { checkGroups, checkOptimizer, optimizerRecipe, slotName, type Optimizer } from '../optim/optimizer';
import { Philox } from '../random';
import {
  checkNotes,
  pairSlots,
  readCheckpoint,
  rebuildFromCheckpoint,
  restoreCheckpoint,
  saveCheckpoint,
  type Checkpoint,
  type TrainerRecipe,
} from './checkpoint';
import { claim } from './claims';
import { checkClipping, type ClippingOptions } from './clipping';
import { EndWeights } from './endWeights';
import { defaultMetrics, score, type EvaluateOptions, type Score, type ScoreOptions } from './evaluate';
import { finitenessGraph } from './firstNotFinite';
import type { FitProgress } from './fitProgress';
import { layerNorms, type LayerNorms } from './gradientNorms';
import { checkLoss, checkModel, type BatchForm, type ScoringGraph } from './graphs';
import { targetName, type Classes, type TargetForm } from './target';
import {
  checkInputShape,
  countWeights,
  readImages,
  readingOf,
  readWanted,
  WEIGHTS,
  type ImageBatch,
  type ImageDType,
  type Images,
  type Labels,
  type ReadingOptions,
  type Targets,
} from './images';
import { makeKept, type Kept } from './kept';
import { ModelForm } from './modelForm';
import { Programs, type FeedValues } from './programs';
import { batchScore, metricValues, type BatchScore } from './tally';
import { checkChanges, checkContinues, OWN_CODE, savedSettings, TRAINER_CHANGES, type SavedSettings } from './savedSettings';
import { ownershipOf, TRAINER_OPTIONS, type TrainerOptions } from './trainerOptions';
import { StepChain, type ChainedStep } from './stepChain';
import { trainingGraph, type Group, type TrainingGraph } from './trainingGraph';
import { statisticsGraph } from './recalibrate';
import { AVERAGE, checkEma } from './weightAverage';

/** Options of `trainer.save`. */
export interface TrainerSaveOptions {
  /** Texts of one's own, kept in the file by name. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

/** Options of `trainer.step`. */
export interface TrainerStepOptions {
  /** How much the loss of each image counts, from 0 on; default all the same. The loss is sum_i weight_i loss_i / n then. */
  sampleWeights?: SampleWeights | undefined;
}

/** Options of `Trainer.resume`. */
export interface TrainerResumeOptions {
  /**
   * Settings that are others than when the checkpoint was saved, on purpose, from here on: of 'optimizer', 'loss', 'accumulate', 'ema',
   * 'gradientClipNorm', 'gradientClipValue' and 'algorithm'. Default none: what differs is refused.
   */
  changes?: readonly (typeof TRAINER_CHANGES)[number][] | undefined;
}

/** What a trainer is told of a checkpoint that it goes on from. */
export interface RestoreOptions {
  /** The function that does it, for messages. */
  readonly where: string;
  /** Settings that may be others, and the option that names them. */
  readonly changes: ReadonlySet<string>;
  readonly option: string;
}

/** Outcome of one step, measured before the update; further metrics by their names. */
export interface StepResult {
  /** Mean loss of the batch. */
  readonly loss: number;
  /** Fraction of correct images; absent without the metric. */
  readonly accuracy?: number;
  readonly [metric: string]: MetricValue | undefined;
}

/**
 * Trains a model step by step, off the event loop.
 *
 * Steps may overlap: they queue in order, and when one fails, those that were queued behind it are not applied either. After `await`, the
 * module's parameters have the trained values. Each step trains what is not frozen when it is called, with every layer in the mode that it is
 * in then; a model that is as a whole in `eval()` trains as a whole.
 *
 * @example
 * const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: [1, 28, 28], batchSize: 64 });
 * const { loss } = await trainer.step(images, labels);
 * trainer.close();
 */
export class Trainer {
  /** What updates the parameters. */
  readonly optimizer: Optimizer;
  /** Shape of one image. */
  readonly input: Shape;
  /** Largest number of images of a step. */
  readonly batchSize: number;
  /** Epochs done, for checkpoints; `fit` counts it, a loop of one's own may. */
  epoch = 0;

  /** @internal */
  readonly loss: Loss;
  /** @internal What steps measure. */
  readonly metrics: readonly Metric[];
  /** @internal What the model should give for one image. */
  readonly target: TargetForm;
  /** @internal The shape of what the model should give for one image. */
  readonly targetShape: Shape;
  /** So many steps make one update. */
  private readonly groupSize: number;
  /** Steps of the group under way that were submitted. */
  private inGroup = 0;
  private readonly accumulators = new Map<Parameter, Variable>();
  /** @internal What the model may end with. */
  readonly endWeights: EndWeights;
  /** @internal */
  preprocess: Preprocessing;
  /** @internal */
  readonly programs: Programs;
  private readonly clipping: ClippingOptions;
  private readonly kept = new Map<Parameter, Kept>();
  /** @internal The norms of the layers in the last step that was to measure them. */
  norms: readonly LayerNorms[] | undefined;
  private measuresNext = false;
  /** @internal Where the `fit` of this trainer will stand when the steps submitted so far are done. */
  progress?: () => Promise<FitProgress>;
  /** @internal Whether no step is taken after one that failed. */
  endsAtFailure = false;
  private shuffleSeed: number;
  private readonly givenSeed: number | undefined;
  /** The learning rate of the next steps. */
  private rate: number;
  /** What a schedule multiplies, and its factor at present. */
  private baseRate: number;
  private factor = 1;
  private stopRequested = false;
  /** Whether `fit` trains on examples with weights. */
  private readonly weighted: boolean;
  /** What whole data sets are measured by. */
  private readonly evaluated: readonly Metric[];
  private readonly metricsGiven: boolean;
  /** What the options say of how images are read, and whether the model knows how they are. */
  private readonly said: ReadingOptions;
  private remembered = false;
  private completed = 0;
  private readonly form: ModelForm;
  /** The classes of the model in the form that it had when they were counted. */
  private counted: { readonly form: string; readonly classes: Classes | undefined };
  private readonly chain = new StepChain('Training step');
  private readonly lastApplied = new Variable([]);
  /** @internal What steps change, as long as the model is trained as it is at first. */
  readonly changing: readonly Tensor[];

  /**
   * A trainer of one model. Close it when it is done.
   * @param model whose parameters are trained
   * @throws StridenetError for options or a model that do not fit the input; ERR_NATIVE_UNAVAILABLE
   */
  constructor(
    /** The model whose parameters are trained. */
    readonly model: Module,
    options: TrainerOptions,
  ) {
    const { owner: where, measuresLossAlone = false, weighted = false } = ownershipOf(options);
    this.weighted = weighted;
    checkModel(where, model);
    checkOptions(where, options, TRAINER_OPTIONS);
    this.optimizer = checkOptimizer(where, options?.optimizer);
    checkGroups(where, this.optimizer, model.parameters());
    this.loss = checkLoss(where, options.loss);
    this.target = targetFormOf(where, this.loss, options);
    const metrics = options.metrics === undefined ? defaultMetrics(this.target) : checkMetricList(where, options.metrics);
    // What needs the outputs of all batches at once is measured of whole data sets alone.
    this.metrics = measuresLossAlone ? [] : metrics.filter(({ gather }) => gather !== 'concat');
    this.evaluated = metrics;
    this.metricsGiven = options.metrics !== undefined;
    this.groupSize = checkInteger(where, 'accumulate', options.accumulate ?? 1, 1);
    this.clipping = checkClipping(where, options);
    this.input = checkInputShape(where, options.input);
    this.batchSize = checkInteger(where, 'batchSize', options.batchSize, 1);
    this.said = { preprocess: options.preprocess, layout: options.layout };
    this.preprocess = readingOf(where, model, this.input, this.said);
    this.givenSeed = options.seed;
    this.shuffleSeed = checkInteger(where, 'seed', options.seed ?? Philox.next().uint32(), 0);
    this.rate = this.baseRate = this.optimizer.lr;
    this.form = new ModelForm(model);
    const ema = options.ema === undefined ? undefined : checkEma(where, options.ema);
    this.endWeights = new EndWeights(model, async (...program) => this.change(...program), this.lastApplied, ema);
    // Mistakes of shape are reported here and not by the first step.
    const graph = this.wholeGraph();
    this.counted = { form: this.form.toString(), classes: graph.classes };
    this.targetShape = graph.feeds.find(({ name }) => name === targetName(this.target))!.shape.slice(1);
    this.changing = changedBy(graph);
    this.programs = new Programs(where, options);
  }

  /** Number of classes that labels may name, if they are classes; another after the head of the model was replaced by another. */
  get classes(): number | undefined {
    return this.labelClasses?.count;
  }

  /** @internal What labels may be. */
  get labelClasses(): Classes | undefined {
    const form = this.form.toString();
    if (this.counted.form !== form) this.counted = { form, classes: this.wholeGraph().classes };
    return this.counted.classes;
  }

  /** Steps completed. */
  get steps(): number {
    return this.completed;
  }

  /** Where dropout masks and, in `fit`, the order of the images are drawn from. */
  get seed(): number {
    return this.shuffleSeed;
  }

  /**
   * The learning rate of the steps to come; at first the optimizer's. What a callback of `fit` or a loop of one's own sets holds from the next
   * step on. A `schedule` goes on from there: if its factor is f at present and g for the next step, that has g / f times the rate that
   * was set.
   */
  get learningRate(): number {
    return this.rate;
  }
  set learningRate(value: number) {
    this.rate = checkNumber('Trainer', 'learningRate', value, 0);
    this.baseRate = this.factor > 0 ? value / this.factor : value;
  }

  /** @internal The factor of a schedule for the steps to come. @throws StridenetError ERR_INVALID_ARGUMENT for one that gives no rate */
  schedule(factor: number): void {
    const rate = this.baseRate * factor;
    if (!(factor >= 0) || !Number.isFinite(Math.fround(rate))) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `fit expects schedule to give a factor of at least 0 that leaves the learning rate of ${this.baseRate} finite but got ${formatValue(factor)}.`,
      );
    }
    this.factor = factor;
    this.rate = rate;
  }

  /**
   * Ends the `fit` that this trainer belongs to after the steps under way, as `stop_training` does in Keras: the epoch's record is made of the
   * steps so far, the validation set is measured, callbacks are called, and `fit` gives its history. A loop of one's own may ask `stopped`.
   */
  stop(): void {
    this.stopRequested = true;
  }

  /** Whether `stop` was called. */
  get stopped(): boolean {
    return this.stopRequested;
  }

  /**
   * One step of gradient descent. The arrays may be reused when this returns its promise.
   *
   * @param images 1 to batchSize images; fewer than batchSize get a program of their own
   * @param labels the class of each image; with a loss of values (`nn.mseLoss`, `nn.bceWithLogits`) what the model should give
   * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; ERR_NOT_FINITE when the loss is NaN or infinite; ERR_CLOSED
   */
  async step(images: Images, labels: Labels | Targets, options: TrainerStepOptions = {}): Promise<StepResult> {
    checkOptions('Trainer.step', options, ['sampleWeights']);
    const { loss, measured, count } = await this.takeStep(images, labels, options);
    return { loss, ...(await metricValues(this.metrics, measured, count)) };
  }

  /**
   * @internal The same, with what was measured as it is.
   * @param groupSize how many steps the group has that begins now, when it is not `accumulate`
   */
  async takeStep(
    images: Images,
    labels: Labels | Targets,
    { sampleWeights, groupSize = this.groupSize }: TrainerStepOptions & { readonly groupSize?: number } = {},
  ): Promise<BatchScore> {
    const batch = readImages('Trainer.step', images, this.input, this.preprocess.layout);
    if (batch.count > this.batchSize) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `Trainer.step expects at most batchSize = ${this.batchSize} images but got ${batch.count}.`,
      );
    }
    const weights = sampleWeights && readSampleWeights('Trainer.step', 'sampleWeights', sampleWeights, batch.count);
    const { rate, inGroup, measuresNext: measuresNorms } = this;
    this.measuresNext = false;
    if (this.endsAtFailure) this.chain.check();
    const group = { size: groupSize, isLast: inGroup + 1 >= groupSize };
    let step: ChainedStep | undefined;
    const fail = (error: unknown): void => {
      if (step?.fail(error)) this.inGroup = inGroup; // nor do the steps behind this one count
    };
    let release: () => void = () => undefined;
    let scored: BatchScore;
    try {
      let graph: TrainingGraph | undefined;
      let labelled = batch.count;
      const form = this.formOf(batch, weights);
      const running = this.programs.run(
        this.programKey(form, group, measuresNorms),
        () => this.buildGraph(form, group, measuresNorms),
        (built) => {
          graph = built;
          const wanted = this.readWanted(labels, built);
          labelled = countWeights(wanted, batch.count, built.classes);
          release = claim('Trainer.step', changedBy(built), this);
          if (!this.remembered) rememberPreprocessing(this.model, this.preprocess);
          this.remembered = true;
          const randomStep = randomStepValue(this.shuffleSeed, this.chain.count);
          step = this.chain.begin();
          this.inGroup = group.isLast ? 0 : inGroup + 1;
          const given = feedsOf(batch, targetName(this.target), wanted, weights);
          return { ...given, learningRate: Float32Array.of(rate), ...step.values, randomStep };
        },
      );
      const averaging = group.isLast && step ? this.endWeights.follow(step.number) : undefined;
      averaging?.catch(() => undefined); // awaited below; a step that fails is what counts
      const results = await running;
      scored = batchScore(graph!, batch.count, results, labelled);
      if (measuresNorms) this.norms = layerNorms(graph!.squares, results);
      await averaging;
    } catch (error) {
      fail(error);
      throw error;
    } finally {
      release();
    }
    this.completed = step!.number;
    step!.check();
    if (Number.isFinite(scored.loss)) return scored;
    const error = new StridenetError(
      'ERR_NOT_FINITE',
      `Training step ${this.completed} gave a loss of ${scored.loss} (learning rate ${rate}). Lower the learning rate, or check the images for NaN. ` +
        'The weights are those of before this step.',
    );
    fail(error);
    throw error;
  }

  /**
   * Loss and accuracy on a data set, with the weights as they are when the steps so far are done.
   * @throws StridenetError as `evaluate`
   */
  async evaluate(dataset: AnyDataset, options: Pick<EvaluateOptions, 'signal'> = {}): Promise<Score> {
    checkOptions('Trainer.evaluate', options, ['signal']);
    return this.score('Trainer.evaluate', dataset, options);
  }

  /** @internal Names of what data sets are measured by. */
  get measured(): readonly string[] {
    return this.evaluated.map(({ name }) => name);
  }

  /** @internal The same for `where`, of `limit` batches. Averages stand in for the weights where there are some. */
  async score(where: string, dataset: AnyDataset, options: Omit<ScoreOptions, 'standIns'>): Promise<Score> {
    const { model, loss, input, batchSize, preprocess, programs } = this;
    // What accuracy is by default depends on the data set.
    const metrics = this.metricsGiven ? this.evaluated : undefined;
    const target = { model, loss, metrics, input, batchSize, preprocess, programs };
    return score(where, target, dataset, { ...options, standIns: this.endWeights.standIns });
  }

  /** Keeps a copy of the weights as they are when the steps so far are done (their averages, with `ema`), for `restoreBest`. */
  async keepBest(): Promise<void> {
    await this.endWeights.keepBest();
  }

  /** Puts the weights of the last `keepBest` back; without one, nothing changes. */
  async restoreBest(): Promise<void> {
    await this.endWeights.restoreBest();
  }

  /** With `ema`: the model takes the averages of its weights, as `fit` does at its end. Without, or before the first update, nothing changes. */
  async useAverage(): Promise<void> {
    await this.endWeights.useAverage();
  }

  /** @internal The next step measures the norms of its layers: it gives the same weights as one that does not. */
  measureNorms(): void {
    this.norms = undefined;
    this.measuresNext = true;
  }

  /** @internal Moves running statistics by a batch, and nothing else. */
  async moveStatistics(images: Images): Promise<void> {
    const batch = readImages('Trainer', images, this.input, this.preprocess.layout);
    const form = this.formOf(batch);
    const randomStep = randomStepValue(this.shuffleSeed, this.chain.count);
    await this.change(`statistics ${batch.count} ${batch.dtype}`, () => statisticsGraph(this.model, form), {
      images: batch.data,
      randomStep,
    });
  }

  /** @internal What was the first value of step number `step` that is not finite, in words, with the weights as they are. */
  async firstNotFinite(
    images: Images,
    labels: Labels | Targets,
    weights: Float32Array | undefined,
    step: number,
  ): Promise<string | undefined> {
    const batch = readImages('Trainer.step', images, this.input, this.preprocess.layout);
    const form = this.formOf(batch, weights);
    let values: readonly string[] = [];
    const flags = await this.programs.run(
      `finiteness ${this.formKey(form)}`,
      () => finitenessGraph(this, form, this.target),
      (graph) => {
        values = graph.values;
        const randomStep = randomStepValue(this.shuffleSeed, step - 1);
        return { ...feedsOf(batch, targetName(this.target), this.readWanted(labels, graph), weights), randomStep };
      },
    );
    return values[flags.findIndex(([flag]) => !Number.isFinite(flag))];
  }

  /** Runs a program that changes variables and is no step. */
  private async change(key: string, build: () => Graph, values: FeedValues = {}): Promise<void> {
    let release: () => void = () => undefined;
    try {
      await this.programs.run(`${key} ${this.form.toString()}`, build, (graph) => {
        release = claim('Trainer', changedBy(graph), this);
        return values;
      });
    } finally {
      release();
    }
  }

  /**
   * Writes a checkpoint: weights under their names, optimizer slots as `optimizer/velocity/NAME`, and epoch, step, learning rate and random
   * state as metadata. The file appears whole or not at all; a model can be loaded from it with `{ strict: false }`.
   * @throws StridenetError ERR_FILE_ACCESS; ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  async save(path: string, options: TrainerSaveOptions = {}): Promise<void> {
    checkOptions('Trainer.save', options, ['metadata']);
    const notes = checkNotes('Trainer.save', options.metadata);
    const { epoch, baseRate: learningRate, seed, inGroup } = this;
    const step = this.chain.count;
    const recipe = this.recipe();
    const state = {
      optimizer: this.optimizer.name,
      epoch,
      step,
      learningRate,
      seed,
      inGroup,
      ...this.endWeights.state,
      settings: this.settings,
    };
    const progress = this.progress?.();
    progress?.catch(() => undefined); // it is awaited in its turn; until then a rejection must not count as unhandled
    await this.programs.between(
      async () => progress,
      async (at) => saveCheckpoint(path, this.model, this.slotVariables(), state, { recipe, progress: at, notes }),
    );
  }

  /**
   * A trainer that goes on where `save` was called. A model of `models`, also with layers replaced, or one made of the package's layers is
   * built again from the file, with its optimizer and loss; for one with classes of one's own pass what the constructor takes. Nothing
   * changes when the file does not fit. The global random state (`manualSeed`) is put back as well.
   *
   * Steps come out as those of a trainer that nothing interrupted, to the last bit. So what decides them must be as it was: the optimizer with
   * its options and groups, the loss, accumulation, averaging, clipping, algorithm and, where one is given, the seed. What is to be another
   * from here on is named in `changes`; an optimizer that is changed trains at its own learning rate if that is another than before. Code of one's
   * own is not compared, and the batch size is the caller's.
   *
   * @param model default: built from the file
   * @param options needed with `model`
   * @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE, ERR_STATE_DICT_MISMATCH; ERR_INVALID_ARGUMENT when the file cannot build the model, or for a
   *   setting that it was not saved with, with both values; ERR_UNKNOWN_OPTION
   * @example const trainer = await Trainer.resume('checkpoint.safetensors'); // trainer.model is the model
   * @example
   * const options = { optimizer: optim.sgd({ lr: 0.01 }), input: [1, 28, 28], batchSize: 32 } as const;
   * await Trainer.resume('checkpoint.safetensors', model, options, { changes: ['optimizer'] });
   */
  static async resume(path: string, model?: Module, options?: TrainerOptions, resumeOptions: TrainerResumeOptions = {}): Promise<Trainer> {
    const where = 'Trainer.resume';
    checkOptions(where, resumeOptions, ['changes']);
    const changes = checkChanges(where, 'changes', resumeOptions.changes, TRAINER_CHANGES);
    const checkpoint = await readCheckpoint(path);
    const built = model === undefined && options === undefined ? rebuildFromCheckpoint(checkpoint) : undefined;
    const trainer = built ? trainerOfFile(path, built.model, built.options) : new Trainer(model!, options!);
    try {
      trainer.restore(checkpoint, { where, changes, option: 'changes' });
      return trainer;
    } catch (error) {
      trainer.close();
      throw error;
    }
  }

  /**
   * @internal Goes on from a checkpoint; nothing changes unless it fits.
   * @throws StridenetError ERR_STATE_DICT_MISMATCH; ERR_INVALID_ARGUMENT for settings that are others
   */
  restore(checkpoint: Checkpoint, { where, changes, option }: RestoreOptions): void {
    const { epoch, step, learningRate, seed, inGroup = 0, settings = {} } = checkpoint.state;
    const { path } = checkpoint;
    this.endWeights.resume(checkpoint);
    // Whether averages may end is a question of settings.
    const averages = !this.endWeights.ema && ('ema' in settings || changes.has('ema')) ? [AVERAGE] : [];
    const optional = [...(inGroup === 0 ? [ACCUMULATED] : []), ...averages];
    // What cannot be gone on with in any case is said first.
    const slots = pairSlots(checkpoint, this.slotVariables(), this.optimizer.name, optional);
    if (this.givenSeed !== undefined && this.givenSeed !== seed) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects the seed that ${path} was saved with, ${seed}, but got ${this.givenSeed}. Leave it out.`,
      );
    }
    checkContinues({ where, path, changes, option, isWithin: inGroup > 0 }, settings, this.settings);
    restoreCheckpoint(checkpoint, this.model, slots);
    this.inGroup = inGroup;
    // The model knows by now how images were read; nothing is compiled yet.
    if (this.said.preprocess === undefined) this.preprocess = readingOf('Trainer', this.model, this.input, this.said);
    const before = (settings['optimizer'] as { lr?: unknown } | undefined)?.lr;
    this.rate = this.baseRate = changes.has('optimizer') && this.optimizer.lr !== before ? this.optimizer.lr : learningRate;
    this.shuffleSeed = seed;
    this.startAt(epoch, step);
  }

  /** @internal Counts from here on, as if so many epochs and steps were done. */
  startAt(epoch: number, step: number): void {
    this.epoch = epoch;
    this.completed = step;
    this.chain.startAt(step);
  }

  /** @internal Whether it takes no more steps. */
  get isClosed(): boolean {
    return this.programs.isClosed;
  }

  /** Frees threads and memory; the module keeps the trained values. Idempotent. */
  close(): void {
    this.programs.close();
  }

  /** @internal The same when all steps are over, without holding up the event loop. */
  async closeInSlices(): Promise<void> {
    await this.programs.closeInSlices();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions): string {
    const { input, batchSize, epoch, steps, learningRate } = this;
    const fields = { input, batchSize, optimizer: this.optimizer.name, epoch, steps, learningRate };
    return formatObject(this, this.model, fields, styleOf(depth, options));
  }

  /** What decides a step, beside weights and images. */
  private get settings(): SavedSettings {
    const { name, lr } = this.optimizer;
    const optimizer = optimizerRecipe(this.optimizer, this.model.parameters());
    return savedSettings({
      optimizer: { name, lr, ...optimizer?.options },
      loss: lossRecipe(this.loss) ?? OWN_CODE,
      accumulate: this.groupSize,
      ema: this.endWeights.ema,
      gradientClipNorm: this.clipping.gradientClipNorm,
      gradientClipValue: this.clipping.gradientClipValue,
      algorithm: this.programs.algorithm,
    });
  }

  /** How to build this trainer again, when nothing of it is code of the user's. */
  private recipe(): TrainerRecipe | undefined {
    const model = recipeOf(this.model, models);
    const loss = lossRecipe(this.loss);
    const optimizer = optimizerRecipe(this.optimizer, this.model.parameters());
    if (!model || !optimizer || !loss) return undefined;
    const { input, batchSize, preprocess, target } = this;
    if (this.evaluated.some(({ name }) => name !== 'accuracy')) return undefined;
    const pathsOf = (has: (module: Module) => boolean): string[] =>
      this.model.namedModules().flatMap(([path, module]) => (has(module) ? [path] : []));
    return {
      model,
      evaluating: pathsOf((module) => !module.training),
      frozenModules: pathsOf((module) => isFrozen(module) && module.parameters().length === 0),
      frozen: this.model.parameters().flatMap(({ name, requiresGrad }) => (requiresGrad ? [] : [name])),
      optimizer: optimizer.options,
      loss,
      options: {
        input,
        batchSize,
        preprocess,
        targets: target.kind,
        targetShape: target.shape,
        metrics: this.evaluated.map(() => 'accuracy'),
        algorithm: this.programs.algorithm,
        ...(this.groupSize > 1 && { accumulate: this.groupSize }),
        ...(this.endWeights.ema && { ema: this.endWeights.ema }),
        ...this.clipping,
      },
    };
  }

  /** @internal Makes the program of steps of `count` images. @throws StridenetError when the model does not take so many */
  async prepare(count: number, dtype: ImageDType): Promise<void> {
    const group = { size: this.groupSize, isLast: true };
    const form = { ...this.formOf({ count, dtype }), weighted: this.weighted };
    await this.programs.prepare(this.programKey(form, group), () => this.buildGraph(form, group));
  }

  /** What the model should give, as `graph` is fed with it. */
  private readWanted(labels: Labels | Targets, graph: Graph & Partial<Pick<ScoringGraph, 'classes'>>): TypedArray {
    const feed = graph.feeds.find(({ name }) => name === targetName(this.target))!;
    return readWanted('Trainer.step', labels, feed, graph.classes);
  }

  private formOf({ count, dtype }: Pick<ImageBatch, 'count' | 'dtype'>, weights?: Float32Array): BatchForm {
    return { count, dtype, input: this.input, preprocess: this.preprocess, weighted: weights !== undefined };
  }

  private formKey({ count, dtype, weighted }: BatchForm): string {
    return `${count} ${dtype} ${weighted ? 'weighted ' : ''}${this.form.toString()}`;
  }

  private programKey(form: BatchForm, { size, isLast }: Group, measuresNorms = false): string {
    return `train ${isLast ? 'last' : 'one'} of ${size} ${measuresNorms ? 'with norms ' : ''}${this.formKey(form)}`;
  }

  /** The graph of a whole batch, for what it says of the model. */
  private wholeGraph(): TrainingGraph {
    return this.buildGraph({ ...this.formOf({ count: this.batchSize, dtype: 'float32' }), weighted: this.weighted });
  }

  private buildGraph(form: BatchForm, group?: Group, measuresNorms = false): TrainingGraph {
    return trainingGraph(
      {
        model: this.model,
        loss: this.loss,
        metrics: this.metrics,
        optimizer: this.optimizer,
        keptOf: (parameter) => this.keptOf(parameter),
        lastApplied: this.lastApplied,
        clipping: this.clipping,
        accumulatorOf: (parameter) => this.accumulatorOf(parameter),
        measuresNorms,
      },
      form,
      this.target,
      group,
    );
  }

  private accumulatorOf(parameter: Parameter): Variable {
    let accumulator = this.accumulators.get(parameter);
    if (!accumulator) this.accumulators.set(parameter, (accumulator = new Variable(parameter.shape)));
    return accumulator;
  }

  /** Made when they are first asked for: layers may be replaced while this trainer lives. */
  private keptOf(parameter: Parameter): Kept {
    let kept = this.kept.get(parameter);
    if (!kept) this.kept.set(parameter, (kept = makeKept(this.optimizer, parameter)));
    return kept;
  }

  /** What the optimizer keeps, by its names in a checkpoint. */
  private slotVariables(): Map<string, Variable> {
    const { slots = [], scalars = [] } = this.optimizer;
    const names = [...slots, ...scalars];
    const named = this.model.parameters().flatMap((parameter) => {
      const kept = this.keptOf(parameter);
      return [...kept.slots, ...kept.scalars].map((variable, i) => [slotName(names[i]!, parameter.name), variable] as const);
    });
    const sums = this.groupSize === 1 ? [] : this.model.parameters().filter(({ requiresGrad }) => requiresGrad);
    const accumulated = sums.map((parameter) => [slotName(ACCUMULATED, parameter.name), this.accumulatorOf(parameter)] as const);
    return new Map([...named, ...accumulated, ...this.endWeights.slots()]);
  }
}

/** The slot of the gradients of an update under way; between updates its values mean nothing. */
const ACCUMULATED = 'accumulated';

/** @throws StridenetError ERR_BAD_FILE for options and a model that no trainer can have had */
function trainerOfFile(path: string, model: Module, options: TrainerOptions): Trainer {
  try {
    return new Trainer(model, options);
  } catch (error) {
    const { code, message } = error as Partial<StridenetError>;
    if (code !== 'ERR_UNKNOWN_OPTION' && code !== 'ERR_INVALID_ARGUMENT' && code !== 'ERR_SHAPE_MISMATCH') throw error;
    throw new StridenetError('ERR_BAD_FILE', `${formatValue(path)} does not say how its trainer is built: ${message}`, { cause: error });
  }
}

/** What the model should give, by the options or, where they do not say, by the loss. */
function targetFormOf(where: string, loss: Loss, { targets, targetShape }: TrainerOptions): TargetForm {
  const kind = targets ?? loss.targets ?? 'classes';
  if (kind !== 'classes' && kind !== 'values') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects targets to be 'classes' or 'values' but got ${formatValue(kind)}.`);
  }
  return { kind, shape: checkTargetShape(where, 'targetShape', targetShape) };
}

/** Values of what a batch gives to a graph. */
function feedsOf({ data }: ImageBatch, target: string, wanted: TypedArray, weights: Float32Array | undefined): FeedValues {
  return { images: data, [target]: wanted, ...(weights && { [WEIGHTS]: weights }) };
}

function changedBy({ updates }: Graph): Tensor[] {
  return updates.flatMap(({ variables }) => variables);
}
