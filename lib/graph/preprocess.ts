/**
 * How raw images become what a model sees: the order of their values, scale, mean and deviation. A model remembers what it was trained with
 * (`Module.preprocess`); maps of its weights and files of them take that along.
 */

import { checkNumber, checkOptions, formatShape, formatValue, readArray, StridenetError } from '../errors';
import type { Shape } from './types';
import { isPlainObject } from './plainObject';

/**
 * Where the values of an image lie: 'nchw', one plane for each channel; 'nhwc', the channels of a pixel side by side (interleaved), as sharp
 * and canvas give them. Shapes are [channels, height, width] in both.
 */
export type ImageLayout = 'nchw' | 'nhwc';

/** How raw values become what the model sees: (raw scale - mean) / std. */
export interface Preprocessing {
  /** Default 1/255 for uint8 images, 1 for float32. */
  readonly scale?: number | undefined;
  /** One per channel, or one for all; default 0. */
  readonly mean?: readonly number[] | undefined;
  /** One per channel, or one for all, above 0; default 1. */
  readonly std?: readonly number[] | undefined;
  /** Order of raw values; Tensors are [n, channels, height, width] in any case. Default 'nchw'. */
  readonly layout?: ImageLayout | undefined;
}

/** More numbers than channels of any image: they are not read. */
const MOST_CHANNELS = 1 << 20;

/** Long enough for some thousand channels. A longer text was made to waste time and memory. */
const LONGEST_TEXT = 1 << 17;

/** The metadata of a file of weights that holds it, as JSON. */
export const PREPROCESS_KEY = 'stridenet.preprocess';

/**
 * A frozen copy of what was given, without what is undefined.
 * @param input shape of an image, when it is known
 * @param owner what has the fields, for messages
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function checkPreprocessing(where: string, value: unknown, input?: Shape, owner = 'preprocess.'): Preprocessing {
  checkOptions(`${where} preprocess`, value, ['scale', 'mean', 'std', 'layout']);
  const { scale, mean, std, layout } = (value ?? {}) as Preprocessing;
  if (scale !== undefined) checkNumber(where, `${owner}scale`, scale);
  const numbers = {
    mean: checkPerChannel(where, `${owner}mean`, mean, input),
    std: checkPerChannel(where, `${owner}std`, std, input, true),
  };
  const { factors, shifts } = affine(numbers, scale ?? 1);
  if (![...factors, ...shifts].every((v) => Number.isFinite(Math.fround(v)))) {
    const got = `scale ${scale ?? 1}, mean ${formatValue(mean ?? [0])}, std ${formatValue(std ?? [1])}`;
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects scale / std and mean / std to fit float32 but got ${got}.`);
  }
  return Object.freeze({
    ...(scale !== undefined && { scale }),
    ...(numbers.mean && { mean: numbers.mean }),
    ...(numbers.std && { std: numbers.std }),
    ...(layout !== undefined && { layout: checkLayout(where, `${owner}layout`, layout, input) }),
  });
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkLayout(where: string, name: string, layout: unknown, input?: Shape): ImageLayout {
  if (layout !== 'nchw' && layout !== 'nhwc') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name} to be 'nchw' or 'nhwc' but got ${formatValue(layout)}.`);
  }
  if (layout === 'nhwc' && input && input.length !== 3) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects images [channels, height, width] with ${name} 'nhwc' but one image is ${formatShape(input)}.`,
    );
  }
  return layout;
}

/** One multiplication and one addition for each channel, or for all: raw factor + shift. */
export function affine({ mean = [0], std = [1] }: Preprocessing, scale: number): { factors: number[]; shifts: number[] } {
  const at = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c]!;
  const perChannel = (of: (c: number) => number): number[] => Array.from({ length: Math.max(mean.length, std.length) }, (_, c) => of(c));
  return { factors: perChannel((c) => scale / at(std, c)), shifts: perChannel((c) => -at(mean, c) / at(std, c)) };
}

/**
 * What an object's `preprocess` says: a class of the user's may have a layer or a method of that name, which says nothing.
 * @param owner a module, or what stands for one
 */
export function statedPreprocessing(owner: { readonly preprocess?: unknown }): Preprocessing | undefined {
  const { preprocess } = owner;
  return isPlainRecord(preprocess) ? preprocess : undefined;
}

/** Notes on a module what its images go through, unless its class has something else of that name. */
export function rememberPreprocessing(owner: { preprocess?: unknown }, preprocessing: Preprocessing): void {
  if (owner.preprocess === undefined || statedPreprocessing(owner)) owner.preprocess = preprocessing;
}

const notes = new WeakMap<object, () => Preprocessing | undefined>();

/** Notes on a map of weights what they were trained with. */
export function notePreprocessing<M extends object>(map: M, preprocessing: () => Preprocessing | undefined): M {
  notes.set(map, preprocessing);
  return map;
}

/** What was noted on a map of weights. */
export function notedPreprocessing(map: object): Preprocessing | undefined {
  return notes.get(map)?.();
}

/** Metadata of a file of weights. */
export function preprocessingMetadata(preprocessing: Preprocessing | undefined): Record<string, string> {
  if (!preprocessing || Object.keys(preprocessing).length === 0) return {};
  return { [PREPROCESS_KEY]: JSON.stringify(preprocessing) };
}

/** What the metadata of a file of weights say. @throws StridenetError ERR_BAD_FILE when that is damaged */
export function preprocessingFromMetadata(path: string, metadata: Readonly<Record<string, string>>): Preprocessing | undefined {
  const text = metadata[PREPROCESS_KEY];
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = text.length <= LONGEST_TEXT ? JSON.parse(text) : undefined;
    if (isPlainRecord(parsed)) return checkPreprocessing('It', parsed);
  } catch {
    // Refuses it in the words that JSON of another kind gets.
  }
  throw new StridenetError('ERR_BAD_FILE', `${formatValue(path)} has a damaged ${PREPROCESS_KEY} in its metadata: ${formatValue(text)}.`);
}

function checkPerChannel(
  where: string,
  name: string,
  values: unknown,
  input: Shape | undefined,
  positive = false,
): readonly number[] | undefined {
  if (values === undefined) return undefined;
  const channels = input && (input.length === 3 ? input[0]! : 1);
  const numbers = readArray(values, MOST_CHANNELS) ?? [];
  const fits = numbers.length === 1 || (channels === undefined ? numbers.length > 0 : numbers.length === channels);
  if (fits && numbers.every((v) => Number.isFinite(v) && (!positive || (v as number) > 0))) return Object.freeze(numbers as number[]);
  const channelAdvice = input && !fits && numbers.length > 0 ? ` One image is ${formatShape(input)}: its channels are ${channels}.` : '';
  const count = channels === undefined ? 'numbers' : channels === 1 ? '1 number' : `1 or ${channels} numbers`;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${name} to be ${count}${positive ? ' above 0' : ''} (one per channel) but got ${formatValue(values)}.${channelAdvice}`,
  );
}

function isPlainRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && isPlainObject(value);
}
