/** from: examples that a program makes, one after the other. */

import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import type { Preprocessing } from '../graph/preprocess';
import type { Shape } from '../graph/types';
import type { DatasetStream, Example } from './dataset';
import { ExampleChecker, type GivenExample } from './examples';
import { readStream } from './kinds';

/** Options of `data.from`. */
export interface FromOptions extends Preprocessing {
  /** [channels, height, width] of one image, whatever the layout. */
  shape: readonly [number, number, number];
  /** Names of the classes in label order, or how many there are. Default: the labels are no classes, or it is not known how many there are. */
  classes?: readonly string[] | number | undefined;
  /** Number of examples of a pass: there may be more, which are not asked for, but not fewer. Default: as many as come. */
  length?: number | undefined;
  /** Shape of what the model should give for one image; default [], one number. */
  targetShape?: Shape | undefined;
  /** 'int32' (default): labels are numbers of classes; 'float32': they are values. */
  labelType?: 'int32' | 'float32' | undefined;
  /** Whether every example is { image, label, weight }, the weight saying how much its loss counts, from 0 on. Default false. */
  sampleWeights?: boolean | undefined;
}

/** Examples one after the other. */
export type ExampleSequence = Iterable<GivenExample> | AsyncIterable<GivenExample>;
/** What gives examples: a sequence, or a function that begins a pass. */
export type ExampleSource = ExampleSequence | ((epoch: number) => ExampleSequence | Promise<ExampleSequence>);

const OPTIONS = ['shape', 'classes', 'length', 'targetShape', 'labelType', 'sampleWeights', 'scale', 'mean', 'std', 'layout'];
const MOST_CLASSES = 1 << 20;

/**
 * A data set of examples that come one after the other, such as a generator makes them or a database gives them. No more of them are asked for than are needed,
 * and when a pass ends early the sequence is told so (`return`).
 *
 * @param source examples `{ image, label }` or `[image, label]`, with `sampleWeights` `{ image, label, weight }`; or a function of the number of the pass, from 1, that gives a sequence of them. A generator
 *   object and a stream of Node can be walked once: pass the function for more than one epoch
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION. While examples are read: ERR_INVALID_ARGUMENT and ERR_SHAPE_MISMATCH with the number of the
 *   example, and what the source throws
 * @example
 * async function* rows() {
 *   for (let i = 0; i < 60000; i++) yield { image: new Uint8Array(784).fill(i % 256), label: i % 10 }; // of a database, say
 * }
 * const stream = data.from(rows, { shape: [1, 28, 28], classes: 10, length: 60000 });
 */
export function from(source: ExampleSource, options: FromOptions): DatasetStream {
  const where = 'data.from';
  checkOptions(where, options, OPTIONS);
  const { classes, length, shape, targetShape, labelType, sampleWeights, scale, mean, std, layout } = ((options) ?? {});
  const begin = beginning(where, source);
  const stream: DatasetStream = {
    shape,
    targetShape: targetShape,
    labelType: labelType ?? 'int32',
    sampleWeights,
    scale: scale,
    mean: mean,
    std: std,
    layout: layout ?? 'nchw',
    classes: typeof classes === 'number' ? numbered(where, classes) : (classes ?? []),
    ...(length !== undefined && { length }),
    examples: (epoch) => checkedExamples(begin, new ExampleChecker(where, checked), checked.length, epoch),
  };
  const checked = readStream(where, stream);
  return checked;
}

function numbered(where: string, classes: number): string[] {
  if (checkInteger(where, 'classes', classes, 1) <= MOST_CLASSES) return Array.from({ length: classes }, (_, i) => String(i));
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects at most ${MOST_CLASSES} classes but got ${classes}.`);
}

type Begin = (epoch: number) => unknown;

/** The function that begins a pass. */
function beginning(where: string, source: unknown): Begin {
  if (typeof source === 'function') return source as Begin;
  if (!isSequence(source) || typeof source === 'string' || ArrayBuffer.isView(source)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects an iterable of examples, or a function that gives one, but got ${formatValue(source)}. For arrays of pixels and labels: data.arrays.`,
    );
  }
  if (!isWalkedOnce(source)) return () => source;
  let begun = false;
  return () => {
    if (begun) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} was given a generator object or a stream, which can be walked once, but its examples are asked for a second time, as every epoch does. ` +
          'Pass the generator function itself, or a function that opens the stream anew: data.from(() => examples(), options).',
      );
    }
    begun = true;
    return source;
  };
}

function isSequence(value: unknown): value is ExampleSequence {
  const { [Symbol.iterator]: sync, [Symbol.asyncIterator]: async } = Object(value) as Partial<Iterable<unknown> & AsyncIterable<unknown>>;
  return typeof sync === 'function' || typeof async === 'function';
}

/** Whether it is its own iterator, or a stream of Node or of the web. */
function isWalkedOnce(value: ExampleSequence): boolean {
  const { next, pipe, getReader } = value as { next?: unknown; pipe?: unknown; getReader?: unknown };
  return [next, pipe, getReader].some((method) => typeof method === 'function');
}

/** The examples of one pass. Leaving it early leaves the loop, which tells the sequence. */
async function* checkedExamples(begin: Begin, checker: ExampleChecker, length: number | undefined, epoch: number): AsyncGenerator<Example> {
  const sequence = await begin(epoch);
  if (!isSequence(sequence)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `data.from expects its function to give an iterable of examples, as a generator function does, but got ${formatValue(sequence)}.`,
    );
  }
  let count = 0;
  for await (const given of sequence) {
    yield await checker.check(given, count);
    // Not one more is asked for, which might be long in coming.
    if (++count === length) return;
  }
  if (length === undefined) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `data.from was told that a pass has ${length} examples, but pass ${epoch} ended after ${count}. Correct length, or leave it out.`,
  );
}
