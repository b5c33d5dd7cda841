/** The public `transforms` namespace: changes of pictures during training, with names and parameters of torchvision.transforms.v2. */

export type { Transform } from './transform';
export { create } from './kinds';
export type { Fill, Interpolation, ResizeInterpolation, ResizeOptions, SamplingOptions } from './checks';
export {
  centerCrop,
  randomAffine,
  randomCrop,
  randomHorizontalFlip,
  randomPerspective,
  randomResizedCrop,
  randomRotation,
  randomVerticalFlip,
  resize,
  type PaddingMode,
  type RandomAffineOptions,
  type RandomCropOptions,
  type RandomPerspectiveOptions,
  type RandomResizedCropOptions,
  type RandomRotationOptions,
} from './geometry';
export {
  colorJitter,
  gaussianBlur,
  grayscale,
  randomAdjustSharpness,
  randomAutocontrast,
  randomEqualize,
  randomErasing,
  randomGrayscale,
  randomInvert,
  randomPosterize,
  randomSolarize,
  type ChanceOptions,
  type ColorJitterOptions,
  type GaussianBlurOptions,
  type GrayscaleOptions,
  type Jitter,
  type RandomErasingOptions,
} from './colour';
export { randAugment, trivialAugmentWide, type RandAugmentOptions, type TrivialAugmentWideOptions } from './automatic';
export { cutmix, mixup, type MixOptions } from './mix';
