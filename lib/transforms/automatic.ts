/** RandAugment and TrivialAugment: operations drawn from a list. */

import { checkFill, checkCount, checkWord, samplingNumbers, type Fill, type Interpolation, type SamplingOptions } from './checks';
import { kindOf, makeTransform, type Transform } from './transform';

/** Options of `transforms.trivialAugmentWide`. */
export interface TrivialAugmentWideOptions extends SamplingOptions {
  /** Steps of magnitude, at least 2; default 31. */
  numMagnitudeBins?: number | undefined;
}

/** Options of `transforms.randAugment`. */
export interface RandAugmentOptions extends TrivialAugmentWideOptions {
  /** Operations, one after the other; default 2. */
  numOps?: number | undefined;
  /** How far they go, from 0 to numMagnitudeBins - 1; default 9. */
  magnitude?: number | undefined;
}

const MOST_BINS = 1000;
const MOST_OPERATIONS = 100;

interface AutomaticSettings {
  readonly numMagnitudeBins: number;
  readonly interpolation: Interpolation;
  /** null: black, and borders are not mixed with it. */
  readonly fill: Fill | null;
}

function checkAutomatic(where: string, given: { readonly [Key in keyof AutomaticSettings]?: unknown }): AutomaticSettings {
  const { numMagnitudeBins = 31, interpolation = 'nearest', fill = null } = given;
  return {
    numMagnitudeBins: checkCount(where, 'numMagnitudeBins', numMagnitudeBins, 2, MOST_BINS),
    interpolation: checkWord(where, 'interpolation', interpolation, ['nearest', 'bilinear'] as const),
    fill: fill === null ? null : checkFill(where, 'fill', fill),
  };
}

export const RAND_AUGMENT = kindOf<AutomaticSettings & { readonly numOps: number; readonly magnitude: number }>({
  name: 'randAugment',
  positional: [],
  optional: ['numOps', 'magnitude', 'numMagnitudeBins', 'interpolation', 'fill'],
  check: (where, { numOps = 2, magnitude = 9, ...rest }) => {
    const settings = checkAutomatic(where, rest);
    return {
      numOps: checkCount(where, 'numOps', numOps, 0, MOST_OPERATIONS),
      magnitude: checkCount(where, 'magnitude', magnitude, 0, settings.numMagnitudeBins - 1),
      ...settings,
    };
  },
  encode: (where, { numOps, magnitude, numMagnitudeBins, interpolation, fill }, shape) => ({
    name: 'randAugment',
    numbers: [numOps, magnitude, numMagnitudeBins, ...samplingNumbers(where, interpolation, fill ?? undefined, shape)],
  }),
});

/**
 * Some operations out of fourteen (identity, shears, translations, rotation, brightness, saturation, contrast, sharpness, posterize, solarize,
 * autocontrast, equalize), all of one magnitude (Cubuk et al., 2019).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randAugment({ numOps: 2, magnitude: 7 })
 */
export function randAugment(options: RandAugmentOptions = {}): Transform {
  return makeTransform(RAND_AUGMENT, {}, options);
}

export const TRIVIAL_AUGMENT_WIDE = kindOf<AutomaticSettings>({
  name: 'trivialAugmentWide',
  positional: [],
  optional: ['numMagnitudeBins', 'interpolation', 'fill'],
  check: checkAutomatic,
  encode: (where, { numMagnitudeBins, interpolation, fill }, shape) => ({
    name: 'trivialAugmentWide',
    numbers: [numMagnitudeBins, ...samplingNumbers(where, interpolation, fill ?? undefined, shape)],
  }),
});

/**
 * One of the operations of `randAugment` with a random magnitude, up to more than there (Mueller and Hutter, 2021).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.trivialAugmentWide()
 */
export function trivialAugmentWide(options: TrivialAugmentWideOptions = {}): Transform {
  return makeTransform(TRIVIAL_AUGMENT_WIDE, {}, options);
}
