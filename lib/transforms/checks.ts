/** Checks of arguments that several transforms have, and what they become. */

import { checkBoolean, checkInteger, checkNumber, formatShape, formatValue, readArray, StridenetError } from '../errors';
import type { PictureShape } from './transform';

/** The most rows or columns of a picture (kMaxExtent of native/augment/picture.h). */
export const MOST_EXTENT = 2 ** 14;
/** The brightest level. */
export const BRIGHTEST = 255;

/** A level for all channels, or one for each. */
export type Fill = number | readonly number[];
/** How pixels between pixels come about. */
export type Interpolation = 'nearest' | 'bilinear';
/** How pixels come about when a picture changes its size. */
export type ResizeInterpolation = Interpolation | 'bicubic';

function badArgument(where: string, name: string, expected: string, value: unknown): never {
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name} to be ${expected} but got ${formatValue(value)}.`);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkChance(where: string, p: unknown): number {
  return checkNumber(where, 'p', p, 0, 1);
}

/** One of some words. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkWord<Word extends string>(where: string, name: string, value: unknown, words: readonly Word[]): Word {
  if (words.includes(value as Word)) return value as Word;
  return badArgument(where, name, words.map((word) => `'${word}'`).join(' or '), value);
}

/** [height, width], from one number too. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkSize(where: string, name: string, value: unknown): readonly [number, number] {
  const extents = typeof value === 'number' ? [value, value] : (readArray(value, 2) ?? []);
  if (extents.length === 2 && extents.every((v) => Number.isInteger(v) && (v as number) >= 1 && (v as number) <= MOST_EXTENT)) {
    return [extents[0] as number, extents[1] as number];
  }
  return badArgument(where, name, `an integer or [height, width] from 1 to ${MOST_EXTENT}`, value);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless it is [low, high] within the bounds */
export function checkRange(where: string, name: string, value: unknown, min: number, max: number): readonly [number, number] {
  const [low, high, ...rest] = readArray(value, 2) ?? [];
  const fits = [low, high].every((v) => typeof v === 'number' && v >= min && v <= max && Number.isFinite(Math.fround(v)));
  if (fits && rest.length === 0 && (low as number) <= (high as number)) return [low as number, high as number];
  const bounds = min === -Infinity ? '' : max === Infinity ? ` of at least ${min}` : ` in [${min}, ${max}]`;
  return badArgument(where, name, `[low, high] with two numbers${bounds}, the lower one first`, value);
}

/** A number n stands for [-n, n]. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkSpread(where: string, name: string, value: unknown): readonly [number, number] {
  if (typeof value !== 'number') return checkRange(where, name, value, -Infinity, Infinity);
  checkNumber(where, name, value, 0);
  return [-value, value];
}

/** Ranges of shapes and shares that must not be 0, since their logarithm is drawn. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkPositiveRange(where: string, name: string, value: unknown, max = Infinity): readonly [number, number] {
  const range = checkRange(where, name, value, 0, max);
  return range[0] > 0 ? range : badArgument(where, name, '[low, high] with both above 0', value);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless it is one level or a list of them */
export function checkFill(where: string, name: string, value: unknown): Fill {
  const isLevel = (v: unknown): v is number => typeof v === 'number' && v >= 0 && v <= BRIGHTEST;
  if (isLevel(value)) return value;
  const levels = readArray(value, 3) ?? [];
  if (levels.length > 0 && levels.every(isLevel)) return levels;
  return badArgument(where, name, `a level from 0 to ${BRIGHTEST}, or one for each channel`, value);
}

/** Three levels. @throws StridenetError ERR_SHAPE_MISMATCH when there is not one for each channel */
export function fillLevels(where: string, name: string, fill: Fill, shape: PictureShape): number[] {
  const levels = typeof fill === 'number' ? [fill] : fill;
  if (levels.length === 1) return [levels[0]!, levels[0]!, levels[0]!];
  if (levels.length === shape[0]) return [0, 1, 2].map((c) => levels[c] ?? 0);
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects ${name} to be one level or ${shape[0]}, one for each channel of pictures ${formatShape(shape)}, but got ${levels.length}.`,
  );
}

/** Options of transforms that sample between pixels. */
export interface SamplingOptions {
  /** Default 'nearest', but 'bilinear' for perspective. */
  interpolation?: Interpolation | undefined;
  /** The level of pixels from outside the picture, 0 to 255, or one for each channel; default 0. */
  fill?: Fill | undefined;
}

const SAMPLING: readonly ResizeInterpolation[] = ['nearest', 'bilinear', 'bicubic'];

/** Their checked form. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkSampling(
  where: string,
  { interpolation = 'nearest', fill = 0 }: { readonly interpolation?: unknown; readonly fill?: unknown },
): { interpolation: Interpolation; fill: Fill } {
  return {
    interpolation: checkWord(where, 'interpolation', interpolation, ['nearest', 'bilinear'] as const),
    fill: checkFill(where, 'fill', fill),
  };
}

/** The five numbers of `readSampling` (native/augment/transforms.cc). @param fill undefined leaves pixels from outside black and unmixed */
export function samplingNumbers(where: string, interpolation: Interpolation, fill: Fill | undefined, shape: PictureShape): number[] {
  return [interpolationNumber(interpolation), fill === undefined ? 0 : 1, ...fillLevels(where, 'fill', fill ?? 0, shape)];
}

/** As `Interpolation` of native/augment/operations.h counts. */
export function interpolationNumber(interpolation: ResizeInterpolation): number {
  return SAMPLING.indexOf(interpolation);
}

/** Options of transforms that change the size. */
export interface ResizeOptions {
  /** Default 'bilinear'. */
  interpolation?: ResizeInterpolation | undefined;
  /** Whether a smaller picture takes all pixels into account, and not only the nearest ones; default true. 'nearest' never does. */
  antialias?: boolean | undefined;
}

/** Their checked form. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkResizing(
  where: string,
  { interpolation = 'bilinear', antialias = true }: { readonly interpolation?: unknown; readonly antialias?: unknown },
): Required<{ interpolation: ResizeInterpolation; antialias: boolean }> {
  return {
    interpolation: checkWord(where, 'interpolation', interpolation, SAMPLING),
    antialias: checkBoolean(where, 'antialias', antialias),
  };
}

/** The two numbers of `resizedCrop`. */
export function resizingNumbers({ interpolation, antialias }: { interpolation: ResizeInterpolation; antialias: boolean }): number[] {
  return [interpolationNumber(interpolation), antialias ? 1 : 0];
}

/** An odd integer. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkKernel(where: string, value: unknown): readonly [number, number] {
  const sizes = typeof value === 'number' ? [value, value] : (readArray(value, 2) ?? []);
  const isOdd = (v: unknown): boolean => Number.isInteger(v) && (v as number) % 2 === 1 && (v as number) > 0 && (v as number) < MOST_EXTENT;
  if (sizes.length === 2 && sizes.every(isOdd)) return [sizes[0] as number, sizes[1] as number];
  return badArgument(where, 'kernelSize', 'an odd integer of at least 1, or [width, height] of such', value);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkCount(where: string, name: string, value: unknown, min: number, max: number): number {
  const count = checkInteger(where, name, value, min);
  return count <= max ? count : badArgument(where, name, `an integer from ${min} to ${max}`, value);
}
