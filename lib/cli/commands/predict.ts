/** stridenet predict: the likeliest classes of image files. */

import { existsSync } from 'node:fs';
import { checkClassNames } from '../../data/dataset';
import { formatValue, StridenetError } from '../../errors';
import { fileError, openRegular } from '../../io/file';
import { printableName } from '../../printable';
import { compile } from '../../train';
import type { Arguments, Command, Terminal } from '../arguments';
import { FITS, imageSize, loadSharp, readImage, type Fit } from '../images';
import { loadModel, MODEL_OPTIONS, variantOf } from '../models';
import { topClasses } from '../predictions';

const TOP = 5;
const BATCH = 32;

export const predict: Command = {
  name: 'predict',
  operands: 'MODEL IMAGE...',
  operandCount: [2, Infinity],
  purpose: `Prints the ${TOP} likeliest classes of each image. Reading images takes the package sharp.`,
  options: {
    weights: { value: 'FILE', help: 'weights to use (.safetensors), required' },
    classes: { value: 'NAMES|FILE', help: 'names of the classes, separated by commas or one a line (default: what the weights file says)' },
    fit: { value: 'HOW', default: 'stretch', help: "stretch, pad or crop images that have other proportions than the model's input" },
    invert: { help: 'for dark drawings on a light ground; MNIST and Fashion-MNIST are light on dark' },
    ...MODEL_OPTIONS,
    threads: { value: 'N', help: 'default: as many as this process may use' },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const [name, ...files] = args.operands as [string, ...string[]];
  const weights = args.required('weights');
  const threads = args.integer('threads', 1);
  const fit = args.choice('fit', Object.keys(FITS) as Fit[])!;
  const given = await readClassNames(args);
  const defaults = given && { classNames: given, options: { classes: given.length } };
  const { model, classNames: saved, input } = await loadModel(name, weights, variantOf(args), defaults);
  const classNames = given ?? saved;
  if (!classNames) terminal.err(`stridenet: ${weights} does not name its classes, so their numbers are printed; --classes names them.`);
  const sharp = loadSharp();
  const images: { file: string; top: { label: number; class: string; probability: number }[] }[] = [];
  const net = await compile(model, { input: [...input], layout: 'nchw', maxBatch: Math.min(BATCH, files.length), threads });
  try {
    for (let start = 0; start < files.length; start += BATCH) {
      const names = files.slice(start, start + BATCH);
      const pixels = await Promise.all(names.map((file) => readImage(sharp, file, input, { invert: args.flag('invert'), fit })));
      if (fit === 'stretch') for (const file of names) warnOfStretching(file, await imageSize(sharp, file), input, terminal);
      const scores = await (await net.run(Buffer.concat(pixels))).data();
      const classes = scores.length / names.length;
      if (classNames && classNames.length !== classes) {
        throw new StridenetError(
          given ? 'ERR_INVALID_ARGUMENT' : 'ERR_BAD_FILE',
          `${given ? '--classes' : formatValue(weights)} names ${classNames.length} classes but the weights are for ${classes}.`,
        );
      }
      for (const [i, file] of names.entries()) {
        const top = topClasses(scores.subarray(i * classes, (i + 1) * classes), TOP);
        images.push({
          file,
          top: top.map(({ label, probability }) => ({ label, class: classNames?.[label] ?? String(label), probability })),
        });
      }
    }
  } finally {
    net.close();
  }
  if (args.flag('json')) terminal.out(JSON.stringify({ model: name, weights, images }));
  else for (const { file, top } of images) terminal.out([printableName(file), ...top.map(formatRow)].join('\n'));
  return 0;
}

/** Proportions within 2 % of the model's pass as the same. */
function warnOfStretching(
  file: string,
  [height, width]: readonly [number, number],
  [, inputHeight, inputWidth]: readonly [number, number, number],
  terminal: Terminal,
): void {
  const stretch = (width * inputHeight) / (height * inputWidth);
  if (Math.max(stretch, 1 / stretch) <= 1.02) return;
  terminal.err(
    `stridenet: ${printableName(file)} is ${width}x${height} and was stretched to ${inputWidth}x${inputHeight}; --fit pad or --fit crop keeps its proportions.`,
  );
}

/** The names that --classes gives, itself or in a file. */
async function readClassNames(args: Arguments): Promise<readonly string[] | undefined> {
  const text = args.text('classes');
  if (text === undefined) return undefined;
  const names = existsSync(text) ? (await readText(text)).split(/\r?\n/) : text.split(',');
  if (names.at(-1) === '') names.pop();
  return checkClassNames(
    '--classes',
    'NAMES',
    names.map((name) => name.trim()),
  );
}

async function readText(path: string): Promise<string> {
  try {
    const { handle } = await openRegular(path);
    return await handle.readFile('utf8').finally(() => handle.close());
  } catch (error) {
    throw fileError('read', path, error);
  }
}

function formatRow(row: { class: string; probability: number }): string {
  return `  ${(100 * row.probability).toFixed(1).padStart(5)} %  ${printableName(row.class)}`;
}
