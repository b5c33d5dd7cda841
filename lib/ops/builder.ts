/** The one place where computed nodes are made: checks operands, infers the shape, freezes. */

import { checkOptions, formatShape, formatValue, quote, StridenetError } from '../errors';
import { checkSize } from '../graph/leaves';
import { Tensor } from '../graph/tensor';
import { MAX_RANK, type Attrs, type DType } from '../graph/types';
import type { OpDef } from './opDef';

/** What every operation takes. */
export interface OpOptions {
  /** The layer or part of a model that the operation belongs to, for error messages, listings and `summary`; default none. */
  name?: string | undefined;
}

const registry = new Map<string, OpDef>();

/** Registers an operation; the families of lib/ops call it once per operation when they load. */
export function defineOp<A extends Attrs>(def: OpDef<A>): OpDef<A> {
  registry.set(def.name, def);
  return def;
}

/** The definition behind a computed node. */
export function opDef(name: string): OpDef {
  const def = registry.get(name);
  if (!def) throw new Error(`operation ${name} is not registered`);
  return def;
}

/** `conv2d "layer1.0.conv1"`, or `conv2d` for a node without a name. @throws StridenetError ERR_INVALID_ARGUMENT unless the name is a string */
export function describe(op: string, name: string): string {
  if (typeof name === 'string') return name ? `${op} ${quote(name)}` : op;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${op} expects name to be a string but got ${formatValue(name)}.`);
}

let scopeName = '';

/** Runs `body` with `name` as the name of every node that is built without one. */
export function withDefaultName<T>(name: string, body: () => T): T {
  const outer = scopeName;
  scopeName = name;
  try {
    return body();
  } finally {
    scopeName = outer;
  }
}

/** Builds an operation that is composed of others under the name that it was given, if any. */
export function withName<T>(name: string | undefined, body: () => T): T {
  return name ? withDefaultName(name, body) : body();
}

/** Makes a node. @throws StridenetError as the operation's shape rule says */
export function build(op: string, inputs: readonly Tensor[], attrs: Attrs = {}, givenName = ''): Tensor {
  const name = givenName === '' ? scopeName : givenName;
  const where = describe(op, name);
  for (const [i, input] of inputs.entries()) {
    checkTensor(where, `input ${i}`, input);
    checkComputable(where, i, input);
  }
  const { shape, dtype } = opDef(op).infer({ where, inputs, attrs });
  checkSize(where, shape);
  return Tensor.make({
    op,
    inputs: Object.freeze([...inputs]),
    attrs: Object.freeze(attrs),
    shape: Object.freeze([...shape]),
    dtype,
    name,
  });
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `value` is a Tensor */
export function checkTensor(where: string, what: string, value: unknown): asserts value is Tensor {
  if (Tensor.is(value)) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${what} to be a Tensor but got ${formatValue(value)}. Wrap numbers with tensor(...).`,
  );
}

/** Checks the options of an operation that has none but its name. @throws StridenetError ERR_UNKNOWN_OPTION, ERR_INVALID_ARGUMENT */
export function checkNameOption(op: string, options: { name?: string } | undefined): string {
  checkOptions(op, options, ['name']);
  return options?.name ?? '';
}

/** Tensors out of files may have shapes that nothing computes with. @throws StridenetError ERR_SHAPE_MISMATCH */
function checkComputable(where: string, i: number, { shape }: Tensor): void {
  if (shape.length <= MAX_RANK && !shape.includes(0)) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects tensors of at most ${MAX_RANK} axes with elements but input ${i} has shape ${formatShape(shape)}.`,
  );
}

/** @throws StridenetError ERR_SHAPE_MISMATCH unless the tensor has `rank` axes */
export function checkRank(where: string, what: string, x: Tensor, rank: number, axes: string): void {
  if (x.rank === rank) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects ${what} of shape ${axes} but got ${formatShape(x.shape)}. Reshape it to ${rank} axes.`,
  );
}

/** @throws StridenetError ERR_DTYPE_MISMATCH unless the tensor has the element type */
export function checkDType(where: string, what: string, x: Tensor, dtype: DType): void {
  if (x.dtype === dtype) return;
  throw new StridenetError('ERR_DTYPE_MISMATCH', `${where} expects ${what} of type ${dtype} but got ${x.dtype}.`);
}
