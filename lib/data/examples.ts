/** Single examples as users hand them over: checked one by one, each refused by its number. */

import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import { Tensor } from '../graph/tensor';
import { elementCount } from '../graph/types';
import type { DatasetFacts, Example } from './dataset';
import { isSampleWeight, kindOf, readPixels, SAMPLE_WEIGHT, type Pixels } from './values';

/** An example as it may come. */
export type GivenExample =
  | { readonly image: Pixels | Tensor; readonly label: Example['label']; readonly weight?: number | undefined }
  | readonly [image: Pixels | Tensor, label: Example['label']];

/** What an example must fit. */
export interface ExampleFacts extends DatasetFacts {
  readonly labelType?: 'int32' | 'float32';
  readonly sampleWeights?: boolean | undefined;
}

/** Checks the examples of one pass, which are all of one element type. */
export class ExampleChecker {
  private readonly size: number;
  private readonly labelSize: number;
  private kind: string | undefined;

  constructor(
    private readonly where: string,
    private readonly facts: ExampleFacts,
  ) {
    this.size = elementCount(facts.shape);
    this.labelSize = elementCount(facts.targetShape ?? []);
  }

  /**
   * The example in plain arrays. @param i its number, from 0
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
   */
  async check(given: unknown, i: number): Promise<Example> {
    const { image, label, weight } = this.parts(given, i);
    return this.checked(Tensor.is(image) ? (image.value ?? (await image.data())) : image, label, weight, i);
  }

  /** The same for an image that is no computed Tensor. */
  checked(image: unknown, label: unknown, weight: unknown, i: number): Example {
    const pixels = readPixels(this.where, `the image of example ${i}`, image);
    if (pixels.length !== this.size) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${this.where} expects images of shape ${formatShape(this.facts.shape)} (${this.size} values) but that of example ${i} has ${pixels.length}.`,
      );
    }
    this.kind ??= kindOf(pixels);
    if (kindOf(pixels) !== this.kind) {
      throw this.invalid(`images of one element type but that of example ${i} is a ${kindOf(pixels)} after those before it were each a ${this.kind}`);
    }
    return { image: pixels, label: this.readLabel(label, i), ...this.readWeight(weight, i) };
  }

  /** The field of the weight, where examples have one. */
  private readWeight(weight: unknown, i: number): Pick<Example, 'weight'> {
    const { sampleWeights = false } = this.facts;
    if (sampleWeights && isSampleWeight(weight)) return { weight };
    if (sampleWeights) throw this.invalid(`weights of examples to be ${SAMPLE_WEIGHT} but that of example ${i} is ${formatValue(weight)}`);
    if (weight === undefined) return {};
    throw this.invalid(`examples without a weight unless the data set says that all have one, but example ${i} has ${formatValue(weight)}. Pass sampleWeights: true`);
  }

  private parts(given: unknown, i: number): { image?: unknown; label?: unknown; weight?: unknown } {
    if (Array.isArray(given) && given.length === 2) return { image: given[0] as unknown, label: given[1] as unknown };
    if (typeof given === 'object' && given !== null && 'image' in given && 'label' in given) return given;
    throw this.invalid(`examples { image, label } or [image, label] but example ${i} is ${formatValue(given)}`);
  }

  private readLabel(label: unknown, i: number): Example['label'] {
    const numbers = this.facts.labelType === 'float32';
    if (!this.facts.targetShape?.length) return this.readValue(label, numbers, `the label of example ${i}`);
    const values = Array.isArray(label) ? readArray(label, this.labelSize) : kindOf(label) === undefined ? undefined : (label as ArrayLike<unknown>);
    if (values?.length !== this.labelSize) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${this.where} expects labels of shape ${formatShape(this.facts.targetShape)} (${this.labelSize} values) but that of example ${i} is ${formatValue(label)}.`,
      );
    }
    const read = numbers ? new Float32Array(this.labelSize) : new Int32Array(this.labelSize);
    for (let k = 0; k < read.length; k++) read[k] = this.readValue(values[k], numbers, `value ${k} of the label of example ${i}`);
    return read;
  }

  private readValue(value: unknown, numbers: boolean, what: string): number {
    const { classes } = this.facts;
    if (numbers) {
      if (typeof value === 'number') return value;
      throw this.invalid(`${what} to be a number but got ${formatValue(value)}`);
    }
    const end = classes.length > 0 ? classes.length : 2 ** 31;
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < end) return value as number;
    const range = classes.length > 0 ? `, an integer in [0, ${end - 1}] (there are ${end} classes),` : ', an integer of at least 0,';
    throw this.invalid(`${what} to be the number of a class${range} but got ${formatValue(value)}`);
  }

  private invalid(expected: string): StridenetError {
    return new StridenetError('ERR_INVALID_ARGUMENT', `${this.where} expects ${expected}.`);
  }
}
