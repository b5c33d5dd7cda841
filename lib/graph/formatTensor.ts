/** Tensors as text, laid out as NumPy lays out arrays: values in columns, long axes cut in the middle. */

import { formatFields, printed, type Style } from './inspect';
import { elementCount, type DType, type Shape, type TypedArray } from './types';

/** A tensor with more values than this is printed by its corners only, so many values at each end of an axis. */
const WHOLE = 1000;
const EDGE = 3;
/** Significant digits that tell every float32 from its neighbours. */
const FLOAT_DIGITS = 9;
/** Decimals of numbers that are not smaller than SMALL. */
const DECIMALS = 8;
const SMALL = 1e-4;
/** How many values of a tensor are printed when it stands among other objects. */
const NESTED_WHOLE = 10;

/**
 * `Tensor([[1, 2],\n        [3, 4]], shape: [2, 2], dtype: 'float32')`
 * @param name of its class
 * @param glance the values, or why there are none to show
 * @param fields what else there is to say
 */
export function formatTensor(
  name: string,
  { shape, dtype }: { readonly shape: Shape; readonly dtype: DType },
  glance: () => TypedArray | string,
  fields: Readonly<Record<string, unknown>>,
  style: Style,
): string {
  return printed(name, style, () => {
    const opening = `${style.stylize(name, 'special')}(`;
    const details = formatFields({ shape, dtype, ...fields }, style);
    if (style.nested && elementCount(shape) > NESTED_WHOLE) return `${opening}${details})`;
    const values = glance();
    if (typeof values === 'string') return `${opening}${details}, ${values})`;
    const text = formatValues(values, shape, dtype, { ...style, width: style.width - name.length - 1 });
    if (style.nested) return `${opening}${text.replaceAll(/\s+/g, ' ').replaceAll('[ ', '[')}, ${details})`;
    return `${opening}${text.replaceAll(/\n(?!\n)/g, `\n${' '.repeat(name.length + 1)}`)}, ${details})`;
  });
}

/** The values alone, in nested brackets. */
function formatValues(data: TypedArray, shape: Shape, dtype: DType, { width, stylize }: Style): string {
  const cut = data.length > WHOLE;
  const shown = shape.map((extent) => indices(extent, cut));
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const column = new Column(dtype === 'float32');
  const visit = (axis: number, offset: number, use: (value: number) => void): void => {
    if (axis === shape.length) use(data[offset]!);
    else for (const i of shown[axis]!) if (i !== GAP) visit(axis + 1, offset + i * strides[axis]!, use);
  };
  visit(0, 0, (value) => column.add(value));
  const write = (axis: number, offset: number, indent: number): string => {
    if (axis === shape.length) return stylize(column.format(data[offset]!), 'number');
    const parts = shown[axis]!.map((i) => (i === GAP ? '...' : write(axis + 1, offset + i * strides[axis]!, indent + 1)));
    if (axis === shape.length - 1) return `[${wrap(parts, column.width, width - indent - 1, indent + 1)}]`;
    return `[${parts.join(`,${'\n'.repeat(shape.length - 1 - axis)}${' '.repeat(indent + 1)}`)}]`;
  };
  return write(0, 0, 0);
}

const GAP = -1;

function indices(extent: number, cut: boolean): number[] {
  const all = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);
  return cut && extent > 2 * EDGE ? [...all(0, EDGE), GAP, ...all(extent - EDGE, extent)] : all(0, extent);
}

/** Numbers of one width each, on lines of at most `width` columns. */
function wrap(parts: readonly string[], partWidth: number, width: number, indent: number): string {
  const perLine = Math.max(1, Math.min(parts.length, Math.floor((width + 1) / (partWidth + 2))));
  const lines = Array.from({ length: Math.ceil(parts.length / perLine) }, (_, i) => parts.slice(i * perLine, (i + 1) * perLine).join(', '));
  return lines.join(`,\n${' '.repeat(indent)}`);
}

/** Numbers below each other, their points aligned; those without one, such as NaN and 1e-7, at the right. */
class Column {
  private before = 0;
  private after = 0;
  private least = 0;

  constructor(private readonly isFloat: boolean) {}

  get width(): number {
    return Math.max(this.least, this.before + this.after);
  }

  add(value: number): void {
    const text = this.shortest(value);
    if (!isPlain(text)) this.least = Math.max(this.least, text.length);
    else {
      const point = pointOf(text);
      this.before = Math.max(this.before, point);
      this.after = Math.max(this.after, text.length - point);
    }
  }

  format(value: number): string {
    const text = this.shortest(value);
    return (isPlain(text) ? text.padEnd(text.length + this.after - (text.length - pointOf(text))) : text).padStart(this.width);
  }

  /** The shortest text that reads as the same number, of at most eight decimals. */
  private shortest(value: number): string {
    if (Object.is(value, -0)) return '-0';
    if (!this.isFloat || !Number.isFinite(value)) return String(value);
    const rounded = Math.abs(value) < SMALL ? value : Number(value.toFixed(DECIMALS));
    for (let digits = 1; digits < FLOAT_DIGITS; digits++) {
      const text = rounded.toPrecision(digits);
      if (Math.fround(Number(text)) === Math.fround(rounded)) return String(Number(text));
    }
    return String(Number(rounded.toPrecision(FLOAT_DIGITS)));
  }
}

function isPlain(text: string): boolean {
  return /^[-\d.]+$/.test(text);
}

/** The position of the decimal point, or where it would be. */
function pointOf(text: string): number {
  const point = text.indexOf('.');
  return point < 0 ? text.length : point;
}
