/** shuffleBuffer: examples of a stream in an order that is random as far as the memory reaches. */

import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { Philox, PURPOSE } from '../random';
import type { DatasetStream, Example } from './dataset';
import { isStream, readStream } from './kinds';

/** Options of `data.shuffleBuffer`. */
export interface ShuffleBufferOptions {
  /** The order depends on it and on the number of the pass. Default: drawn from the global seed (`manualSeed`). */
  seed?: number | undefined;
}

/** The streams of random numbers that decide, one for each pass; far from those by which others shuffle. */
const FIRST_STREAM = 2 ** 49;

/**
 * A stream of the same examples in another order: `size` of them are held, and each time one of these, at random, makes room for the next. An example
 * comes at most `size` - 1 places early. Data sets in memory and in files need none: `fit` shuffles all of them.
 *
 * @param size how many examples are held in memory; the larger, the better mixed
 * @throws StridenetError ERR_INVALID_ARGUMENT for another kind of data set; ERR_UNKNOWN_OPTION
 * @example const mixed = data.shuffleBuffer(data.from([{ image: images, label: 0 }], { shape: [1, 28, 28], classes: 10 }), 10_000, { seed: 1 });
 */
export function shuffleBuffer(stream: DatasetStream, size: number, options: ShuffleBufferOptions = {}): DatasetStream {
  const where = 'data.shuffleBuffer';
  checkOptions(where, options, ['seed']);
  if (!isStream(stream)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a stream, such as data.from gives, but got ${formatValue(stream)}. fit shuffles all examples of other data sets itself.`,
    );
  }
  const whole = readStream(where, stream);
  checkInteger(where, 'size', size, 1);
  const seed = options.seed === undefined ? Philox.next().uint32() : checkInteger(where, 'seed', options.seed, 0);
  return readStream(where, {
    ...whole,
    examples: (epoch) => shuffled(whole.examples(epoch), size, new Philox(seed, FIRST_STREAM + epoch, PURPOSE.shuffle)),
  });
}

async function* shuffled(examples: AsyncIterable<Example> | Iterable<Example>, size: number, random: Philox): AsyncGenerator<Example> {
  const held: Example[] = [];
  for await (const example of examples) {
    if (held.length < size) {
      held.push(copyOf(example));
      continue;
    }
    const i = random.below(size);
    const leaving = held[i]!;
    held[i] = copyOf(example);
    yield leaving;
  }
  while (held.length > 0) {
    const i = random.below(held.length);
    const leaving = held[i]!;
    held[i] = held.at(-1)!;
    held.pop();
    yield leaving;
  }
}

/** A source may use the same memory for every example. */
function copyOf({ image, label, ...rest }: Example): Example {
  return { ...rest, image: image.slice(), label: typeof label === 'number' ? label : Float64Array.from(label) };
}
