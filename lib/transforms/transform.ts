/**
 * What a transform is: a name and options, plain data that JSON can hold. What the options mean stands in the kinds, one for each name; the
 * work is done by native code (native/augment).
 */

import { checkOptions } from '../errors';

/** A change of pictures, such as `transforms.randomCrop` makes: immutable, and plain data that a file can hold and `transforms.create` takes. */
export interface Transform {
  /** Of the function that made it. */
  readonly name: string;
  /** All its arguments, defaults included. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** [channels, height, width] of one picture. */
export type PictureShape = readonly [channels: number, height: number, width: number];

/** A transform as native code takes it: a name of its own table and numbers. */
export interface NativeTransform {
  readonly name: string;
  readonly numbers: readonly number[];
}

/** What all transforms of a name have in common. */
export interface TransformKind<Options extends object = object> {
  readonly name: string;
  /** Names of the arguments that stand in front of the options, then those of the options. */
  readonly positional: readonly (keyof Options & string)[];
  readonly optional: readonly (keyof Options & string)[];
  /** The arguments, checked, with their defaults. @throws StridenetError ERR_INVALID_ARGUMENT */
  check(where: string, given: { readonly [Key in keyof Options]?: unknown }): Options;
  /**
   * What pictures of a shape become.
   * @param where for messages, that of the caller and the transform
   * @throws StridenetError ERR_SHAPE_MISMATCH when such pictures do not fit
   */
  after?(where: string, options: Options, shape: PictureShape): PictureShape;
  /** Absent for transforms of batches. */
  encode?(where: string, options: Options, shape: PictureShape): NativeTransform;
}

/** States a kind; the type parameter holds its fields together. */
export function kindOf<Options extends object>(kind: TransformKind<Options>): TransformKind<Options> {
  return kind;
}

/**
 * A transform of a kind. @param front the arguments in front of the options, by name
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function makeTransform<Options extends object>(
  kind: TransformKind<Options>,
  front: { readonly [Key in keyof Options]?: unknown },
  options: object | undefined,
): Transform {
  const where = `transforms.${kind.name}`;
  checkOptions(where, options, kind.optional);
  return Object.freeze({ name: kind.name, options: freezeDeep({ ...kind.check(where, { ...options, ...front }) }) });
}

function freezeDeep<T extends object>(value: T): Readonly<Record<string, unknown>> {
  for (const each of Object.values(value)) if (typeof each === 'object' && each !== null) Object.freeze(each);
  return Object.freeze(value);
}
