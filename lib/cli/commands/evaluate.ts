/** stridenet evaluate: loss and accuracy of saved weights on the test images of a data set. */

import { isLazy } from '../../data/kinds';

import { findModel } from '../../models/catalogue';
import { evaluate as evaluateModel } from '../../train';
import type { Arguments, Command, Terminal } from '../arguments';
import { formatSkipped, loadData, skippedFiles } from '../datasets';
import { checkClassNames, checkImages, loadModel, MODEL_OPTIONS, variantOf } from '../models';
import { confusion, formatConfusion, predictClasses } from '../predictions';
import { settingsOfFlags, type DataSettings, type TrainSettings } from '../settings/settings';
import { DATA_SETTINGS, optionsOf, SEED, VALIDATION_TRANSFORMS } from '../settings/table';
import { measuringOptionsOf } from '../trainOptions';

export const evaluate: Command = {
  name: 'evaluate',
  operands: 'MODEL',
  operandCount: [1, 1],
  purpose: 'Measures loss and accuracy of saved weights on the test images of a data set.',
  options: {
    weights: { value: 'FILE', help: 'weights to evaluate (.safetensors), required' },
    ...optionsOf([...DATA_SETTINGS, VALIDATION_TRANSFORMS]),
    seed: { ...SEED.spec, help: 'of the training, which divided a folder of pictures without folders for training and test' },
    ...MODEL_OPTIONS,
    threads: { value: 'N', help: 'default: as many as this process may use' },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const name = args.operands[0]!;
  const entry = findModel(name);
  const weights = args.required('weights');
  const threads = args.integer('threads', 1);
  const variant = variantOf(args);
  const settings = settingsOfFlags(args, [...DATA_SETTINGS, SEED, VALIDATION_TRANSFORMS]) as unknown as DataSettings &
    Pick<TrainSettings, 'validationTransforms'>;
  const { test } = await loadData(settings, entry.input);
  const { transforms, shape } = measuringOptionsOf(settings, test);
  checkImages(name, entry, shape, `--data ${settings.data}`);
  const { model, classNames } = await loadModel(name, weights, variant, {
    options: { classes: test.classes.length, inChannels: test.shape[0] },
  });

  if (isLazy(test)) checkClassNames(weights, classNames, test.classes);

  const started = performance.now();
  const { loss, accuracy } = await evaluateModel(model, test, { transforms, threads });
  const seconds = (performance.now() - started) / 1000;
  const imagesPerSecond = test.length / seconds;
  if (args.flag('json')) {
    const { data } = settings;
    const skipped = skippedFiles(settings, [test]);
    const measured = { images: test.length, loss, accuracy, imagesPerSecond, seconds };
    terminal.out(JSON.stringify({ model: name, data, weights, ...measured, ...(skipped && { skipped }) }));
    return 0;
  }
  const { labels, predicted } = await predictClasses(model, test, transforms, threads);
  terminal.out(`${formatConfusion(confusion(labels, predicted, test.classes.length), test.classes)}\n`);
  terminal.out(`accuracy ${accuracy!.toFixed(4)}, loss ${loss.toFixed(4)}, ${test.length} images`);
  const skipped = skippedFiles(settings, [test]);
  if (skipped) terminal.out(`left out: ${formatSkipped(skipped)}`);
  return 0;
}
