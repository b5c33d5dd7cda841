/** callbacks.htmlReport: a page about a training. */

import type { AnyDataset } from '../data/dataset';
import { readAnyDataset } from '../data/kinds';
import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { checkPath } from '../io/file';
import { configurationOf, environment } from '../report/facts';
import { judge } from '../report/judge';
import { layerTable } from '../report/layerTable';
import type { Run } from '../report/run';
import { writeReport } from '../report/writeReport';
import { asWriter, registerReport, type Callback, type FitContext } from '../train/callbacks';
import { augmenterOf } from '../train/evaluate';
import type { EpochRecord, History } from '../train/history';
import type { Transform } from '../transforms/transform';
import { checkPlainValues, type PlainValue } from './plainValues';

/** Options of `callbacks.htmlReport`. */
export interface HtmlReportOptions {
  /** Shows which classes the trained model takes for which, and its worst mistakes as pictures. Default: the page has neither. */
  validation?: AnyDataset | undefined;
  /** Done to its pictures first, as `validationTransforms` of `fit`; default nothing. */
  transforms?: readonly Transform[] | undefined;
  /** Mistakes that are shown. Default 24. */
  mistakes?: number | undefined;
  /** Default: the class of the model. */
  title?: string | undefined;
  /** More lines of the configuration, by name: numbers, texts and booleans. Default none. */
  configuration?: Readonly<Record<string, PlainValue>> | undefined;
}

const NAME = 'callbacks.htmlReport';

/**
 * Writes one HTML file about the training: learning curves, the numbers of all epochs, the norms of the gradients of every layer (of the first step
 * of each epoch, in which they are measured), configuration and environment, and, when training is over, the confusion matrix and the worst mistakes
 * on `validation`, and the layers with the time that each takes. It holds all that it shows, needs no
 * network and runs no script. The file is written when training begins, so that a path that does not work is found then, and again after every
 * epoch: of a training that ends early there is a page up to its last epoch.
 *
 * @param path of the file
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_SHAPE_MISMATCH for what is no data set; when training begins ERR_FILE_ACCESS, naming the file; later a
 *   warning, and training goes on
 * @example await fit(model, train, { epochs: 10, validation: test, optimizer, callbacks: [callbacks.htmlReport('report.html', { validation: test })] });
 */
export function htmlReport(path: string, options: HtmlReportOptions = {}): Callback {
  checkPath(NAME, path);
  checkOptions(NAME, options, ['validation', 'transforms', 'mistakes', 'title', 'configuration']);
  const { title, mistakes = 24, validation, transforms, configuration = {} } = options;
  if (title !== undefined && typeof title !== 'string') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${NAME} expects title to be a text but got ${formatValue(title)}.`);
  }
  return asWriter(
    'report',
    new ReportWriter(
      path,
      validation === undefined ? undefined : checkValidation(validation, transforms),
      transforms,
      checkInteger(NAME, 'mistakes', mistakes, 0),
      title,
      Object.entries(checkPlainValues(NAME, 'configuration', configuration, `{ augmentation: 'none' }`)).map(([name, value]) => [
        name,
        String(value),
      ]),
    ),
  );
}

/** @throws StridenetError as `fit` does for a validation set */
function checkValidation(validation: AnyDataset, transforms: unknown): AnyDataset {
  const dataset = readAnyDataset(`${NAME} validation`, validation);
  augmenterOf(NAME, transforms, dataset);
  return dataset;
}

class ReportWriter implements Callback {
  private run!: Run;

  constructor(
    private readonly path: string,
    private readonly validation: AnyDataset | undefined,
    private readonly transforms: readonly Transform[] | undefined,
    private readonly mistakes: number,
    private readonly title: string | undefined,
    private readonly configuration: readonly [string, string][],
  ) {}

  async onTrainBegin({ model, trainer }: FitContext): Promise<void> {
    const before = await trainer.progress?.();
    this.run = {
      title: this.title ?? model.constructor.name,
      state: 'running',
      began: new Date(),
      updated: new Date(),
      epochs: before?.epochs ?? [],
      configuration: [...configurationOf(trainer), ...this.configuration],
      environment: environment(),
    };
    await writeReport(this.path, this.run);
  }

  onEpochBegin(_epoch: number, { trainer }: FitContext): void {
    trainer.measureNorms();
  }

  async onEpochEnd(record: EpochRecord, { trainer }: FitContext): Promise<void> {
    const { run } = this;
    const { epoch } = record;
    const norms = trainer.norms ? [...(run.norms ?? []), { epoch, layers: trainer.norms }] : run.norms;
    this.run = { ...run, updated: new Date(), epochs: [...run.epochs, record], norms };
    await writeReport(this.path, this.run);
  }

  async onTrainEnd(_history: History, { model, trainer }: FitContext): Promise<void> {
    const updated = new Date();
    const layers = await layerTable(model, trainer.input);
    const judgement = this.validation && (await judge(model, this.validation, this.mistakes, this.transforms));
    await writeReport(this.path, { ...this.run, state: 'finished', updated, layers, judgement });
  }
}

// `fit` stands below this layer and has an option for the report.
registerReport(htmlReport);
