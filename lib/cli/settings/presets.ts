/** Usual lists of transforms by one name, for pictures of the size that a data set has. */

/** Plain data that says a transform: { name: 'randomCrop', size: 28, padding: 2 }. */
export type TransformSetting = Readonly<Record<string, unknown>> & { readonly name: string };

/** [channels, height, width] of the pictures. */
type PictureShape = readonly number[];

/** A preset leaves pictures in their size. */
export type Presets = Readonly<Record<string, (shape: PictureShape) => readonly TransformSetting[]>>;

/** A crop is moved by an eighth of the shorter side at most: 4 pixels of 32. */
const PADDING_SHARE = 1 / 8;
/** Before the middle is cut out, as 256 pixels are to 224. */
const ENLARGEMENT = 256 / 224;

const sizeOf = ([, height, width]: PictureShape): readonly [number, number] => [height!, width!];

/** To learn from. */
export const AUGMENT_PRESETS: Presets = {
  'crop-flip': (shape) => [
    { name: 'randomCrop', size: sizeOf(shape), padding: Math.max(1, Math.round(Math.min(...sizeOf(shape)) * PADDING_SHARE)) },
    { name: 'randomHorizontalFlip' },
  ],
  'resized-crop-flip': (shape) => [{ name: 'randomResizedCrop', size: sizeOf(shape) }, { name: 'randomHorizontalFlip' }],
  trivial: () => [{ name: 'trivialAugmentWide' }],
  randaugment: () => [{ name: 'randAugment' }],
};

/** To measure with. */
export const VALIDATION_PRESETS: Presets = {
  'center-crop': (shape) => [
    { name: 'resize', size: sizeOf(shape).map((extent) => Math.round(extent * ENLARGEMENT)) },
    { name: 'centerCrop', size: sizeOf(shape) },
  ],
};

/** A list with the transforms of its presets in their places. */
export function resolvePresets(list: readonly TransformSetting[], presets: Presets, shape: PictureShape): TransformSetting[] {
  return list.flatMap((each) => (Object.hasOwn(presets, each.name) ? presets[each.name]!(shape) : [each]));
}
