/** Data sets as text: how many images of what kind, not their pixels. */

import { formatFields, printedAs, type Style } from '../graph/inspect';
import { printableName } from '../printable';
import type { Dataset } from './dataset';

/** Names of classes that are printed. */
const CLASSES = 10;

/** The data set itself, which `console.log` prints in a line. */
export function printedDataset(dataset: Dataset): Dataset {
  return printedAs(dataset, 'Dataset', (style) => formatDataset(dataset, style));
}

function formatDataset({ length, shape, images, labels, classes, layout, scale, mean, std }: Dataset, style: Style): string {
  const names = classes.slice(0, CLASSES).map((name) => style.stylize(`'${printableName(name)}'`, 'string'));
  const rest = classes.length > CLASSES ? [`... ${classes.length - CLASSES} more`] : [];
  const counts = formatFields({ length, shape }, style);
  const arrays = `images: ${images.constructor.name}, labels: ${labels.constructor.name}, classes: [${[...names, ...rest].join(', ')}]`;
  const reading = formatFields({ layout: layout === 'nchw' ? undefined : layout, scale, mean, std }, style);
  return `${style.stylize('Dataset', 'special')}(${[counts, arrays, reading].filter(Boolean).join(', ')})`;
}
