/** callbacks.tensorBoard: a training as event files of TensorBoard. Protobuf is loaded when it is first called. */

import { join } from 'node:path';
import { checkBoolean, checkFunction, checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { checkPath } from '../io/file';
import { checkPicture, type Picture } from '../io/png';
import { measurementsOf, validationMetric } from '../report/numbers';
import { nextTurn, Task } from '../runtime/task';
import { asWriter, type Callback, type FitContext } from '../train/callbacks';
import type { BatchRecord, EpochRecord } from '../train/history';
import type { EventFile } from './eventFile';
import { histogramOf } from './histogram';
import { checkPlainValues, type PlainValue } from './plainValues';

/** Options of `callbacks.tensorBoard`. */
export interface TensorBoardOptions {
  /** Epochs from one histogram of every parameter to the next; 0 for none. Default 1. */
  histogramEvery?: number | undefined;
  /**
   * Pictures to show by name, asked for after every epoch: each is { data, width, height, channels } with rows of bytes from the top and 1
   * (gray), 2, 3 (RGB) or 4 channels. Default none.
   */
  images?: ((context: FitContext) => Pictures | Promise<Pictures>) | undefined;
  /** Write the numbers of every batch as well; fit waits for that after each. Default false. */
  everyBatch?: boolean | undefined;
  /** Numbers, texts and booleans that tell this run from others in the HParams tab: `{ lr: 0.1, optimizer: 'sgd' }`. Default none. */
  hyperparameters?: Readonly<Record<string, PlainValue>> | undefined;
}

/** Pictures by name. */
export type Pictures = Readonly<Record<string, Picture>>;

const NAME = 'callbacks.tensorBoard';

/**
 * Writes event files for TensorBoard (`tensorboard --logdir runs`), laid out as Keras's: `epoch_loss`, `epoch_accuracy` and every other number of
 * an epoch in `folder/train`, those of the validation set under the same names in `folder/validation`, so that both are curves of one chart;
 * `batch_loss` and so on by step; a histogram of each parameter by its name; pictures; hyperparameters, with the status success of a run that came to
 * its end (by `trainer.stop()`, too) and failure of one that an error or a signal ended. Steps of epochs count from 1.
 * Folders are made; files are created when training begins, and each record is written at once. Another fit with the same folder, such as one
 * that resumes, adds files that TensorBoard joins.
 *
 * @param folder of the run
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; when training begins ERR_FILE_ACCESS, naming the file; later a
 *   warning, and training goes on
 * @example
 * const run = callbacks.tensorBoard('runs/1', { histogramEvery: 5, hyperparameters: { lr: 0.1 } });
 * await fit(model, train, { epochs: 10, validation: test, optimizer: optim.sgd({ lr: 0.1 }), callbacks: [run] });
 */
export function tensorBoard(folder: string, options: TensorBoardOptions = {}): Callback {
  checkPath(NAME, folder);
  checkOptions(NAME, options, ['histogramEvery', 'images', 'everyBatch', 'hyperparameters']);
  const { histogramEvery = 1, everyBatch = false, images, hyperparameters } = options;
  if (images !== undefined) checkFunction(NAME, 'images', images);
  return asWriter(
    'log',
    new TensorBoardRun(
      folder,
      checkInteger(NAME, 'histogramEvery', histogramEvery, 0),
      checkBoolean(NAME, 'everyBatch', everyBatch),
      images,
      hyperparameters === undefined
        ? undefined
        : checkPlainValues(NAME, 'hyperparameters', hyperparameters, `{ lr: 0.1, optimizer: 'sgd' }`),
    ),
  );
}

class TensorBoardRun implements Callback {
  readonly onBatchEnd: Callback['onBatchEnd'];
  private readonly events = loadEventFile();
  /** Of the run as a whole: hyperparameters, and how it ended. Undefined without the former, and when the latter is written. */
  private run: EventFile | undefined;
  private train!: EventFile;
  private validation: EventFile | undefined;

  constructor(
    private readonly folder: string,
    private readonly histogramEvery: number,
    everyBatch: boolean,
    private readonly images: TensorBoardOptions['images'],
    private readonly hyperparameters: Readonly<Record<string, PlainValue>> | undefined,
  ) {
    if (everyBatch) this.onBatchEnd = async (record) => this.addBatch(record);
  }

  async onTrainBegin(): Promise<void> {
    const { EventFile, hyperparametersValue, textValue } = this.events;
    this.run = this.validation = undefined;
    this.train = await EventFile.create(join(this.folder, 'train'));
    if (!this.hyperparameters) return;
    this.run = await EventFile.create(this.folder);
    await this.run.add(0, [hyperparametersValue(this.hyperparameters), textValue('hyperparameters', tableOf(this.hyperparameters))]);
  }

  async onEpochEnd(record: EpochRecord, context: FitContext): Promise<void> {
    const { EventFile, scalarValue } = this.events;
    const { epoch } = record;
    const measured = measurementsOf(record).map(([name, value]) => ({ name, value, metric: validationMetric(name) }));
    const trained = measured.filter(({ metric }) => metric === undefined);
    const validated = measured.filter(({ metric }) => metric !== undefined);
    await this.train.add(epoch, trained.map(({ name, value }) => scalarValue(`epoch_${underscored(name)}`, value))); // prettier-ignore
    if (validated.length > 0) {
      this.validation ??= await EventFile.create(join(this.folder, 'validation'));
      await this.validation.add(epoch, validated.map(({ metric, value }) => scalarValue(`epoch_${underscored(metric!)}`, value))); // prettier-ignore
    }
    if (this.histogramEvery > 0 && epoch % this.histogramEvery === 0) await this.addHistograms(epoch, context);
    await this.addImages(epoch, context);
  }

  async onTrainEnd(): Promise<void> {
    await this.end(true);
  }

  /** An error or a signal ended training if it did not end before. */
  async onFinally(): Promise<void> {
    await this.end(false);
  }

  private async end(isComplete: boolean): Promise<void> {
    const { run } = this;
    this.run = undefined;
    await run?.add(0, [this.events.endedValue(isComplete)]);
  }

  private async addBatch(record: BatchRecord): Promise<void> {
    const values = measurementsOf(record).map(([name, value]) => this.events.scalarValue(`batch_${underscored(name)}`, value));
    await this.train.add(record.step, values);
  }

  private async addHistograms(epoch: number, { model }: FitContext): Promise<void> {
    for (const parameter of model.parameters()) {
      const histogram = await new Task(histogramOf(await parameter.data())).inSlices();
      // TensorBoard groups tags by what stands before the slash.
      if (histogram) await this.train.add(epoch, [this.events.histogramValue(parameter.name.replaceAll('.', '/'), histogram)]);
    }
  }

  private async addImages(epoch: number, context: FitContext): Promise<void> {
    const pictures: unknown = await this.images?.(context);
    if (pictures === undefined) return;
    if (typeof pictures !== 'object' || pictures === null) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${NAME} expects images to give pictures by name but it gave ${formatValue(pictures)}.`,
      );
    }
    for (const [name, picture] of Object.entries(pictures)) {
      await nextTurn(); // each is compressed at once
      await this.train.add(epoch, [this.events.imageValue(name, checkPicture(`${NAME} images`, picture))]);
    }
  }
}

function loadEventFile(): typeof import('./eventFile') {
  // Reading the schema takes some 20 ms, which programs without TensorBoard need not spend; import() would make `tensorBoard` asynchronous.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return require('./eventFile') as typeof import('./eventFile');
}

/** As a table in Markdown. */
function tableOf(hyperparameters: Readonly<Record<string, PlainValue>>): string {
  const cell = (value: PlainValue): string => String(value).replace(/\s+/g, ' ').replaceAll('\\', '\\\\').replaceAll('|', '\\|');
  const rows = Object.entries(hyperparameters).map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`);
  return ['| hyperparameter | value |', '|---|---|', ...rows].join('\n');
}

/** 'learningRate' -> 'learning_rate', as Keras's tags are written. */
function underscored(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
