/** stridenet predict: the likeliest classes of image files. */

import { formatValue, StridenetError } from '../../errors';
import { printableName } from '../../printable';
import { compile } from '../../train';
import type { Arguments, Command, Terminal } from '../arguments';
import { loadSharp, readImage } from '../images';
import { loadModel, MODEL_OPTIONS, variantOf } from '../models';
import { topClasses } from '../predictions';

const TOP = 5;
const BATCH = 32;

export const predict: Command = {
  name: 'predict',
  operands: 'MODEL IMAGE...',
  operandCount: [2, Infinity],
  purpose: `Prints the ${TOP} likeliest classes of each image. Images are stretched to the model's input; reading them takes the package sharp.`,
  options: {
    weights: { value: 'FILE', help: 'weights to use (.safetensors), required' },
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
  const { model, classNames, input } = await loadModel(name, weights, variantOf(args));
  const sharp = loadSharp();
  const images: { file: string; top: { label: number; class: string; probability: number }[] }[] = [];
  const net = await compile(model, { input: [...input], layout: 'nchw', maxBatch: Math.min(BATCH, files.length), threads });
  try {
    for (let start = 0; start < files.length; start += BATCH) {
      const names = files.slice(start, start + BATCH);
      const pixels = await Promise.all(names.map((file) => readImage(sharp, file, input, { invert: args.flag('invert') })));
      const scores = await (await net.run(Buffer.concat(pixels))).data();
      const classes = scores.length / names.length;
      if (classNames && classNames.length !== classes) {
        throw new StridenetError(
          'ERR_BAD_FILE',
          `${formatValue(weights)} names ${classNames.length} classes but has weights for ${classes}.`,
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

function formatRow(row: { class: string; probability: number }): string {
  return `  ${(100 * row.probability).toFixed(1).padStart(5)} %  ${printableName(row.class)}`;
}
