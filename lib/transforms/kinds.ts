/** The kinds of transforms by name, and transforms made of data. */

import { checkOptions, formatValue, nearest, StridenetError } from '../errors';
import { RAND_AUGMENT, TRIVIAL_AUGMENT_WIDE } from './automatic';
import {
  COLOR_JITTER,
  GAUSSIAN_BLUR,
  GRAYSCALE,
  RANDOM_ADJUST_SHARPNESS,
  RANDOM_AUTOCONTRAST,
  RANDOM_EQUALIZE,
  RANDOM_ERASING,
  RANDOM_GRAYSCALE,
  RANDOM_INVERT,
  RANDOM_POSTERIZE,
  RANDOM_SOLARIZE,
} from './colour';
import {
  CENTER_CROP,
  RANDOM_AFFINE,
  RANDOM_CROP,
  RANDOM_HORIZONTAL_FLIP,
  RANDOM_PERSPECTIVE,
  RANDOM_RESIZED_CROP,
  RANDOM_ROTATION,
  RANDOM_VERTICAL_FLIP,
  RESIZE,
} from './geometry';
import { CUTMIX, MIXUP } from './mix';
import { makeTransform, type Transform, type TransformKind } from './transform';

/** Kinds that leave every pixel where it is, so that what belongs to a place, such as a mask, stays true. */
const IN_PLACE = [
  COLOR_JITTER,
  GRAYSCALE,
  RANDOM_GRAYSCALE,
  RANDOM_AUTOCONTRAST,
  RANDOM_EQUALIZE,
  RANDOM_INVERT,
  RANDOM_POSTERIZE,
  RANDOM_SOLARIZE,
  RANDOM_ADJUST_SHARPNESS,
  GAUSSIAN_BLUR,
  RANDOM_ERASING,
];

const ALL = [
  RANDOM_CROP,
  CENTER_CROP,
  RANDOM_RESIZED_CROP,
  RESIZE,
  RANDOM_HORIZONTAL_FLIP,
  RANDOM_VERTICAL_FLIP,
  RANDOM_ROTATION,
  RANDOM_AFFINE,
  RANDOM_PERSPECTIVE,
  ...IN_PLACE,
  RAND_AUGMENT,
  TRIVIAL_AUGMENT_WIDE,
  MIXUP,
  CUTMIX,
];

/** By name. Whatever a kind is given, its own check has made. */
const KINDS: ReadonlyMap<string, TransformKind> = new Map(ALL.map((kind) => [kind.name, kind as TransformKind]));

/** @param others further names that the caller takes @throws StridenetError ERR_INVALID_ARGUMENT when there is none of the name */
export function findKind(where: string, name: unknown, others: readonly string[] = []): TransformKind {
  const kind = KINDS.get(name as string);
  if (kind) return kind;
  const names = [...others, ...KINDS.keys()];
  const near = typeof name === 'string' ? nearest(name, names) : undefined;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects the name of a transform but got ${formatValue(name)}. ${near ? `Did you mean "${near}"?` : `There are ${names.join(', ')}.`}`,
  );
}

/**
 * The transform that has a name and options, as a file says them: `create(t.name, t.options)` is `t` again.
 * @param name such as 'randomCrop'
 * @param options all arguments of the function of that name: { size: 28, padding: 2 }
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.create('randomHorizontalFlip', { p: 0.5 })
 */
export function create(name: string, options: Readonly<Record<string, unknown>> = {}): Transform {
  const kind = findKind('transforms.create', name);
  const names: readonly string[] = [...kind.positional, ...kind.optional];
  checkOptions(`transforms.${kind.name}`, options, names);
  const entries = Object.entries(options);
  const isFront = ([key]: [string, unknown]): boolean => (kind.positional as readonly string[]).includes(key);
  const rest = entries.filter((entry) => !isFront(entry));
  return makeTransform(kind, Object.fromEntries(entries.filter(isFront)), Object.fromEntries(rest));
}

/** Whether a transform of this name leaves every pixel where it is. */
export function keepsPlaces(name: string): boolean {
  return IN_PLACE.some((kind) => kind.name === name);
}
