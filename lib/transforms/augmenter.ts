/** The transforms of a training run, checked against its pictures and applied to batches of them by native code. */

import { checkInteger, formatShape, formatValue, readArray, StridenetError } from '../errors';
import type { ImageLayout } from '../graph/preprocess';
import { elementCount, type Shape } from '../graph/types';
import { Philox, PURPOSE } from '../random';
import { binding, fromNative, nativeInfo } from '../runtime/binding';
import { MOST_EXTENT } from './checks';
import { create, findKind } from './kinds';
import { CUTMIX, drawBeta, drawBox, MIXUP, type MixSettings } from './mix';
import type { PictureShape, Transform } from './transform';

/** More are a mistake. */
const MOST_TRANSFORMS = 255;
/** Less than so many bytes of pictures are not worth a thread of their own. */
const PIECE_BYTES = 1 << 16;
/** The pool of libuv has four threads, unless the user has it otherwise. */
const MOST_PIECES = 4;

/** Where random numbers come from. Integers of at least 0. */
export interface DrawnAt {
  readonly seed: number;
  readonly epoch: number;
}

/** Applies transforms to batches of uint8 pictures, off the event loop. What it makes of a picture depends on seed, epoch and index alone. */
export class Augmenter {
  /** Of a picture afterwards, the same for every picture. */
  readonly shape: Shape;
  private readonly transforms: Float64Array;
  private readonly before: Int32Array;
  private readonly after: Int32Array;
  private readonly sizeBefore: number;
  private readonly sizeAfter: number;
  private readonly mixing: readonly Transform[];

  /**
   * @param where the function that was given the transforms, for messages
   * @param input of pictures before: [1 or 3 channels, height, width], and the order of their values, which stays
   * @throws StridenetError ERR_INVALID_ARGUMENT for what is no transform, ERR_UNKNOWN_OPTION, ERR_SHAPE_MISMATCH for pictures that do not fit
   */
  constructor(
    private readonly where: string,
    transforms: readonly Transform[],
    input: { readonly shape: Shape; readonly layout: ImageLayout },
  ) {
    const all = readTransforms(where, transforms);
    const first = all.findIndex(isMixing);
    const pictureTransforms = first < 0 ? all : all.slice(0, first);
    this.mixing = all.slice(pictureTransforms.length);
    const late = this.mixing.find((each) => !isMixing(each));
    if (late) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects mixup and cutmix behind the transforms of pictures but ${late.name} comes after ${this.mixing[0]!.name}. Put it first.`,
      );
    }
    const shape = checkPictures(where, input.shape);
    const { numbers, after } = encode(where, pictureTransforms, shape);
    this.transforms = numbers;
    this.shape = Object.freeze([...after]);
    const interleaved = input.layout === 'nhwc' ? 1 : 0;
    this.before = Int32Array.of(...shape, interleaved);
    this.after = Int32Array.of(...after, interleaved);
    this.sizeBefore = elementCount(shape);
    this.sizeAfter = elementCount(after);
  }

  /** Whether labels become probabilities (mixup, cutmix). */
  get mixes(): boolean {
    return this.mixing.length > 0;
  }

  /**
   * Transforms pictures. All three arrays must be those of the caller alone until the promise settles: their memory is in use on other
   * threads meanwhile.
   *
   * @param images one after the other
   * @param indices place of each picture in its data set
   * @param into gets as many pictures of the new shape
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH for arrays whose lengths do not fit, before anything is written
   */
  async run(images: Uint8Array, indices: Int32Array, { seed, epoch }: DrawnAt, into: Uint8Array): Promise<void> {
    checkDrawnAt(this.where, seed, epoch);
    const count = indices.length;
    if (count === 0 || images.length !== count * this.sizeBefore || into.length !== count * this.sizeAfter) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${this.where} expects ${count * this.sizeBefore} levels for ${count} pictures and room for ${count * this.sizeAfter} but got ${images.length} ` +
          `and ${into.length}.`,
      );
    }
    const native = binding();
    const key = Int32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32), epoch);
    const pieces = Math.max(1, Math.min(count, MOST_PIECES, nativeInfo().threads, Math.floor(images.length / PIECE_BYTES)));
    const started = Array.from({ length: pieces }, (_, piece) => {
      const [from, to] = [Math.floor((piece * count) / pieces), Math.floor(((piece + 1) * count) / pieces)];
      return native.augment(
        this.transforms,
        this.before,
        key,
        images.subarray(from * this.sizeBefore, to * this.sizeBefore),
        indices.subarray(from, to),
        into.subarray(from * this.sizeAfter, to * this.sizeAfter),
      );
    });
    await settled(started);
  }

  /**
   * Mixes the pictures of a batch in place, each with the one before it. With several transforms of batches, one of them is drawn.
   *
   * @param images what `run` made, the caller's alone until the promise settles
   * @param labels classes, each below `classes`
   * @param at `batch`: number of the batch in its epoch
   * @returns probabilities [n, classes]
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
   */
  async mix(
    images: Uint8Array,
    labels: Uint8Array | Int32Array,
    classes: number,
    { seed, epoch, batch }: DrawnAt & { readonly batch: number },
  ): Promise<Float32Array> {
    checkDrawnAt(this.where, seed, epoch);
    checkInteger(this.where, 'batch', batch, 0);
    if (images.length !== labels.length * this.sizeAfter || labels.length === 0) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${this.where} expects ${labels.length * this.sizeAfter} levels for ${labels.length} labels but got ${images.length}.`,
      );
    }
    const random = new Philox(seed, epoch * 2 ** 32 + batch, PURPOSE.mix);
    const transform = this.mixing[random.below(Math.max(1, this.mixing.length))];
    if (!transform) return mixLabels(this.where, labels, classes, 1);
    const share = drawBeta((transform.options as unknown as MixSettings).alpha, random);
    if (transform.name === 'mixup') {
      const mixed = mixLabels(this.where, labels, classes, share);
      await settled([binding().mixup(this.after, images, share)]);
      return mixed;
    }
    const { box, own } = drawBox(share, this.shape as PictureShape, random);
    const mixed = mixLabels(this.where, labels, classes, own);
    await settled([binding().cutmix(this.after, images, box)]);
    return mixed;
  }
}

/** Waits for all, so that no memory is in use behind an error. */
async function settled(started: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(started)) if (result.status === 'rejected') throw fromNative(result.reason);
}

/**
 * The transforms of pictures with that of their batches behind them, or undefined where neither is given. What `augment` is, an Augmenter checks.
 * @throws StridenetError ERR_INVALID_ARGUMENT unless `mix` is a transform of batches
 */
export function withMix(
  where: string,
  augment: readonly Transform[] | undefined,
  mix: Transform | undefined,
): readonly Transform[] | undefined {
  if (mix === undefined) return augment;
  const { name } = Object(mix) as Partial<Transform>;
  if (typeof mix === 'function' || (name !== MIXUP.name && name !== CUTMIX.name)) {
    const advice =
      typeof mix === 'object' && mix !== null && typeof name === 'string' ? ' Transforms of single pictures stand in augment.' : '';
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects mix to be transforms.mixup() or transforms.cutmix() but got ${formatValue(mix)}.${advice}`,
    );
  }
  if (augment === undefined) return [mix];
  return Array.isArray(augment) ? [...augment, mix] : augment;
}

function isMixing({ name }: Transform): boolean {
  return findKind('', name).encode === undefined;
}

/** Checked copies: what comes from a file or another copy of the package is data like any other. */
function readTransforms(where: string, transforms: unknown): readonly Transform[] {
  const list = readArray(transforms, MOST_TRANSFORMS);
  if (!list) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a list of transforms, such as [transforms.randomHorizontalFlip()], but got ${formatValue(transforms)}.`,
    );
  }
  return list.map((each) => {
    const { name, options } = Object(each) as Partial<Transform>;
    if (typeof name === 'string' && typeof each !== 'function') return create(findKind(where, name).name, options);
    const call = typeof each === 'function' ? ` Call it: transforms.${name || 'randomCrop'}(...).` : '';
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects transforms, such as transforms.randomHorizontalFlip(), but got ${formatValue(each)}.${call}`,
    );
  });
}

function checkPictures(where: string, shape: Shape): PictureShape {
  const [channels, height, width] = shape;
  const fits = shape.length === 3 && (channels === 1 || channels === 3) && height! <= MOST_EXTENT && width! <= MOST_EXTENT;
  if (fits) return shape as unknown as PictureShape;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} can transform pictures of 1 or 3 channels and at most ${MOST_EXTENT} rows and columns, [channels, height, width], but they are ${formatShape(shape)}.`,
  );
}

/** Of each transform its place in the native table, how many numbers follow, and these. */
function encode(where: string, transforms: readonly Transform[], shape: PictureShape): { numbers: Float64Array; after: PictureShape } {
  const names = binding().transformNames();
  const numbers: number[] = [];
  let after = shape;
  for (const { name, options } of transforms) {
    const kind = findKind(where, name);
    const caller = `${where}: transforms.${name}`;
    const next = kind.after?.(caller, options, after) ?? after;
    const native = kind.encode!(caller, options, after);
    numbers.push(names.indexOf(native.name), native.numbers.length, ...native.numbers);
    after = next;
  }
  return { numbers: Float64Array.from(numbers), after };
}

function checkDrawnAt(where: string, seed: number, epoch: number): void {
  checkInteger(where, 'seed', seed, 0);
  checkInteger(where, 'epoch', epoch, 0);
}

/** Probabilities: `own` for the label, the rest for that of the picture before it. */
function mixLabels(where: string, labels: Uint8Array | Int32Array, classes: number, own: number): Float32Array {
  checkInteger(where, 'classes', classes, 1);
  const mixed = new Float32Array(labels.length * classes);
  for (const [i, label] of labels.entries()) {
    if (label < 0 || label >= classes) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects labels in [0, ${classes - 1}] but label ${i} is ${label}.`);
    }
    const other = labels[i === 0 ? labels.length - 1 : i - 1]!;
    mixed[i * classes + label]! += own;
    if (other >= 0 && other < classes) mixed[i * classes + other]! += 1 - own;
  }
  return mixed;
}
