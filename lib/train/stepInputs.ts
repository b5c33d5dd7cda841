/** The inputs of a step of one's own: what the options say of them, their placeholders, and the values of a run as they are fed. */

import { kindOf, readClassNumbers, readPixels, type ClassNumbers, type Pixels } from '../data/values';
import { checkInteger, checkOptions, formatNames, formatShape, formatValue, nearest, quote, readArray, StridenetError } from '../errors';
import { checkShape, inputTensor } from '../graph/leaves';
import { isPlainObject } from '../graph/plainObject';
import { affine, checkPreprocessing } from '../graph/preprocess';
import { Tensor } from '../graph/tensor';
import { elementCount, type DType, type Shape, type TypedArray } from '../graph/types';

/** The shape of an input; with 'n' in front it takes any number of rows, the same for all inputs of a run. */
export type StepShape = Shape | readonly ['n', ...number[]];

/** What an input of a step is. */
export interface StepInput {
  /** Such as [64, 1, 28, 28] or ['n', 1, 28, 28]. */
  readonly shape: StepShape;
  /** What is handed in; the step sees int32 as it is, and all else as float32. Default 'float32'. */
  readonly dtype?: DType | undefined;
  /** The step sees (value scale - mean) / std. Default 1/255 for uint8, else 1. */
  readonly scale?: number | undefined;
  /** One per channel (the second axis of four), or one for all; default 0. */
  readonly mean?: readonly number[] | undefined;
  /** One per channel, or one for all, above 0; default 1. */
  readonly std?: readonly number[] | undefined;
}

/** The values of an input: a Tensor of its shape, or its values one after the other. */
export type StepValues = Tensor | Pixels | ClassNumbers;

/** An input as the options say it, checked. */
interface Declared {
  readonly name: string;
  /** Behind 'n', or all of it. */
  readonly rest: Shape;
  readonly counted: boolean;
  readonly dtype: DType;
  /** One number per channel, or one for all; absent: the step sees what is handed in. */
  readonly change?: { readonly scale: readonly number[]; readonly shift: readonly number[] };
}

/** Of plain words, so that they can be told from the names of other feeds. */
const NAME = /^[A-Za-z_$][\w$]*$/;

export class StepInputs {
  private readonly declared: readonly Declared[];

  /**
   * @param inputs as the options have them
   * @param largest the most rows that 'n' stands for
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(
    where: string,
    inputs: unknown,
    readonly largest: number | undefined,
  ) {
    if (typeof inputs !== 'object' || inputs === null || !isPlainObject(inputs)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects inputs to be shapes by name, such as { images: [64, 1, 28, 28] }, but got ${formatValue(inputs)}.`,
      );
    }
    this.declared = Object.entries(inputs).map(([name, input]) => declare(where, name, input));
    const counts = this.declared.some(({ counted }) => counted);
    if (counts === (largest !== undefined)) return;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      counts
        ? `${where} expects batchSize, the largest number that 'n' in the shapes of inputs stands for.`
        : `${where} expects batchSize only with a shape that begins with 'n', such as ['n', 1, 28, 28].`,
    );
  }

  /** Of the inputs. */
  get names(): readonly string[] {
    return this.declared.map(({ name }) => name);
  }

  /** The placeholder of an input for `n` rows. @throws StridenetError ERR_INVALID_ARGUMENT for a name that the options do not have */
  placeholder(name: unknown, n: number | undefined): Tensor {
    const input = this.declared.find((each) => each.name === name);
    if (!input) throw unknownInput('ERR_INVALID_ARGUMENT', 'io.input', name, this.names);
    const { dtype, change } = input;
    const spec = { name: feedName(input.name), feedDType: dtype, layout: 'nchw', ...change } as const;
    return inputTensor(spec, shapeOf(input, n), dtype === 'int32' ? 'int32' : 'float32');
  }

  /**
   * The values of a run by the names of their feeds, and what 'n' stands for in it.
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH
   */
  read(where: string, given: unknown): { values: Readonly<Record<string, TypedArray>>; n: number | undefined } {
    if (typeof given !== 'object' || given === null || Tensor.is(given) || ArrayBuffer.isView(given) || Array.isArray(given)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects the values of its inputs by name, { ${this.names.join(', ')} }, but got ${formatValue(given)}.`,
      );
    }
    const extra = Object.keys(given).find((name) => !this.names.includes(name));
    if (extra !== undefined) throw unknownInput('ERR_UNKNOWN_OPTION', where, extra, this.names);
    const pairs = this.declared.map((input) => [input, (given as Record<string, unknown>)[input.name]] as const);
    const missing = pairs.filter(([, value]) => value === undefined).map(([{ name }]) => name);
    if (missing.length > 0) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects values for all inputs of the step but got none for ${formatNames(missing)}.`,
      );
    }
    let first: { name: string; n: number } | undefined;
    for (const [input, value] of pairs) {
      const n = input.counted ? rowsOf(where, input, value, this.largest!) : undefined;
      if (n === undefined) continue;
      first ??= { name: input.name, n };
      if (n === first.n) continue;
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects all inputs that begin with 'n' to have the same number of rows but ${first.name} has ${first.n} and ${input.name} ${n}.`,
      );
    }
    const values = pairs.map(
      ([input, value]) => [feedName(input.name), readValues(where, input, value, shapeOf(input, first?.n ?? this.largest))] as const,
    );
    return { values: Object.fromEntries(values), n: first?.n };
  }
}

function feedName(name: string): string {
  return `inputs.${name}`;
}

function shapeOf({ rest, counted }: Declared, n: number | undefined): Shape {
  return counted ? [n!, ...rest] : rest;
}

function declare(owner: string, name: string, given: unknown): Declared {
  const where = `${owner} inputs.${name}`;
  if (!NAME.test(name)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${owner} expects names of inputs that are words of letters and digits, such as images, but got ${quote(name)}.`,
    );
  }
  const input = (Array.isArray(given) ? { shape: given as unknown } : given) as StepInput;
  checkOptions(where, input ?? null, ['shape', 'dtype', 'scale', 'mean', 'std']);
  const { dtype = 'float32', scale, mean, std } = input;
  const extents: readonly unknown[] = readArray(input.shape, 16) ?? [undefined];
  const counted = extents[0] === 'n';
  const shape = checkShape(`${where} (a shape of numbers, or of 'n' and numbers)`, counted ? [1, ...extents.slice(1)] : input.shape);
  if (dtype !== 'float32' && dtype !== 'uint8' && dtype !== 'int32') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects dtype float32, uint8 or int32 but got ${formatValue(dtype)}.`);
  }
  const reading = checkPreprocessing(where, { scale, mean, std }, shape.slice(1), '');
  if (dtype === 'int32' && Object.keys(reading).length > 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects no scale, mean and std with dtype int32, whose numbers stay as they are.`,
    );
  }
  const { factors, shifts } = affine(reading, reading.scale ?? (dtype === 'uint8' ? 1 / 255 : 1));
  const changes = factors.some((v) => v !== 1) || shifts.some((v) => v !== 0);
  return {
    name,
    rest: counted ? shape.slice(1) : shape,
    counted,
    dtype,
    ...(changes ? { change: { scale: factors, shift: shifts } } : {}),
  };
}

/** What 'n' stands for in the values of an input; undefined for what has no number of values, which reading it refuses. */
function rowsOf(where: string, { name, rest }: Declared, given: unknown, largest: number): number | undefined {
  const size = elementCount(rest);
  const isTensor = Tensor.is(given);
  const length = isTensor ? given.size : lengthOf(given);
  if (length === undefined) return undefined;
  const fits = isTensor ? formatShape(given.shape.slice(1)) === formatShape(rest) && given.shape.length > 0 : length % size === 0;
  if (!fits || length === 0) {
    const got = isTensor ? `a tensor of shape ${formatShape(given.shape)}` : `${length} values`;
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects ${name} to be rows of shape ${formatShape(rest)}, a multiple of ${size} values, but got ${got}.`,
    );
  }
  const n = length / size;
  if (n <= largest) return checkInteger(where, 'n', n, 1);
  throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects at most batchSize = ${largest} rows but ${name} has ${n}.`);
}

function lengthOf(given: unknown): number | undefined {
  return kindOf(given) === undefined ? undefined : (given as ArrayLike<unknown>).length;
}

function readValues(where: string, { name, dtype }: Declared, given: unknown, shape: Shape): TypedArray {
  const count = elementCount(shape);
  const got = Tensor.is(given) ? `a tensor of shape ${formatShape(given.shape)}` : `${lengthOf(given)} values`;
  const fits = Tensor.is(given) ? formatShape(given.shape) === formatShape(shape) : (lengthOf(given) ?? count) === count;
  if (!fits) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects ${name} of shape ${formatShape(shape)} (${count} values) but got ${got}.`,
    );
  }
  if (Tensor.is(given) && given.dtype !== dtype) throw wrongType(where, name, dtype, `a tensor of dtype ${given.dtype}`);
  const values: unknown = Tensor.is(given) ? (given.value ?? given.dataSync()) : given;
  if (dtype === 'int32') {
    if (kindOf(values)?.startsWith('Float') === true) throw wrongType(where, name, dtype, formatValue(values));
    const numbers = readClassNumbers(where, name, values, count);
    return numbers instanceof Int32Array ? numbers : Int32Array.from(numbers);
  }
  const numbers = dtype === 'float32' && Array.isArray(values) ? readArray(values, count) : undefined;
  if (numbers?.every((v) => typeof v === 'number')) return Float32Array.from(numbers);
  const data = readPixels(where, name, values);
  if (data instanceof Float32Array === (dtype === 'float32')) return data;
  throw wrongType(where, name, dtype, formatValue(values));
}

function wrongType(where: string, name: string, dtype: DType, got: string): StridenetError {
  const advice =
    dtype === 'float32'
      ? `Convert the values, or declare the input with dtype 'uint8' or 'int32'.`
      : `Convert the values, or declare the input with another dtype.`;
  return new StridenetError('ERR_DTYPE_MISMATCH', `${where} expects ${name} to be ${dtype}, as its inputs say, but got ${got}. ${advice}`);
}

function unknownInput(
  code: 'ERR_INVALID_ARGUMENT' | 'ERR_UNKNOWN_OPTION',
  where: string,
  name: unknown,
  names: readonly string[],
): StridenetError {
  const near = typeof name === 'string' ? nearest(name, names) : undefined;
  const hint = near === undefined ? `Its inputs: ${formatNames(names) || 'none'}.` : `Did you mean "${near}"?`;
  return new StridenetError(code, `${where} has no input ${formatValue(name)}. ${hint}`);
}
