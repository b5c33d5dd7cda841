/**
 * What work takes where nothing was measured: rules of thumb that were set by hand, in multiply-adds of a vector, of which a processor of
 * 3 GHz with two units does four fifths of what it can.
 */
export const RULES_OF_THUMB: Readonly<Record<string, number>> = {
  arithmetic: 0.5,
  product: 1,
  productOfOne: 1.25,
  productRow: 0,
  tableEntry: 0,
  copy: 0,
  packing: 0,
  packingInside: 5,
  rankUpdate: 1,
  rankRow: 0,
  rankPartial: 0,
  rankTransposed: 0,
  scatterAddition: 8,
  depthwise: 1,
  depthwiseGradWeight: 1,
  winogradInput2x3: 8,
  winogradInput4x3: 8,
  winogradInput2x5: 8,
  winogradResults2x3: 8,
  winogradResults4x3: 8,
  winogradResults2x5: 8,
  winogradPacking: 0,
  winogradRankUpdate: 1,
  winogradGradInput: 700,
  winogradGradGradient: 500,
  winogradGradWeight: 200,
  narrowTransform: 28,
  narrowProduct: 1,
  narrowResults2: 70,
  narrowResults4: 420,
  narrowRankUpdate: 1.15,
  narrowGradient2: 36,
  narrowGradient4: 90,
  hwcnProduct: 1.125,
  hwcnRankUpdate: 1.125,
  hwcnTranspose: 6,
  hwcnWinogradProduct: 1.125,
  hwcnWinogradPixel: 20,
  hwcnWinogradResult: 6,
};

/** Nanoseconds of one. */
export const MULTIPLY_ADD = 1 / (2 * 3 * 0.8);

/** Of what is not fitted on any instruction set: bytes of the second-level cache, nanoseconds of a byte in it, of one beyond it, and of a phase. */
export const MEMORY = { cacheBytes: 2 ** 20, nearByte: 1 / 40, farByte: 1 / 20, phase: 300 };
