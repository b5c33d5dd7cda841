/**
 * Reads the words of a Program back into a listing for people, `session.listing()` and snapshots. What an instruction does comes
 * from the words alone; only its name comes from a table beside them. Shapes are logical.
 */

import { formatShape } from '../errors';
import type { Shape } from '../graph/types';
import { floatFromBits, HEADER_WORDS, MAX_RANK, TENSOR_WORDS } from './encode';
import type { Program } from './ir';
import { ACTIVATION, DTYPE, OPCODES, SPACE, type OpcodeName } from './opcodes';
import { LINE_BYTES } from './planMemory';

/** One instruction, read from the words. */
export interface DecodedInstruction {
  readonly opcode: OpcodeName;
  /** In the order of ops.def; null where absent. */
  readonly inputs: readonly (DecodedTensor | null)[];
  readonly outputs: readonly (DecodedTensor | null)[];
  readonly attrs: Readonly<Record<string, number>>;
}

export interface DecodedTensor {
  readonly dtype: keyof typeof DTYPE;
  readonly space: keyof typeof SPACE;
  readonly offset: number;
  /** Physical extents. */
  readonly shape: Shape;
}

export interface DecodedProgram {
  readonly arenaLines: number;
  readonly tensors: readonly DecodedTensor[];
  readonly prepare: readonly DecodedInstruction[];
  readonly step: readonly DecodedInstruction[];
}

const OPCODE_NAMES = Object.keys(OPCODES) as OpcodeName[];

/** Decodes words that `encode` made. */
export function decode(words: Int32Array): DecodedProgram {
  const [, , , arenaLines, tensorCount, prepareCount, stepCount] = words;
  const tensors = Array.from({ length: tensorCount! }, (_, i): DecodedTensor => {
    const at = HEADER_WORDS + i * TENSOR_WORDS;
    const [dtype, space, offset, rank, ...extents] = words.subarray(at, at + 4 + MAX_RANK);
    return {
      dtype: nameOf(DTYPE, dtype!) as keyof typeof DTYPE,
      space: nameOf(SPACE, space!) as keyof typeof SPACE,
      offset: offset!,
      shape: extents.slice(0, rank),
    };
  });
  let at = HEADER_WORDS + tensorCount! * TENSOR_WORDS;
  const next = (): DecodedInstruction => {
    const opcode = OPCODE_NAMES[words[at]!]!;
    const [operandCount, attrCount] = [words[at + 1]!, words[at + 2]!];
    const operands = Array.from(words.subarray(at + 3, at + 3 + operandCount), (index) => (index < 0 ? null : tensors[index]!));
    const signature = OPCODES[opcode];
    const attrs = signature.attrs.map(({ name, float }, i) => {
      const word = words[at + 3 + operandCount + i]!;
      return [name, float ? floatFromBits(word) : word] as const;
    });
    at += 3 + operandCount + attrCount;
    const inputs = operands.slice(0, signature.inputs.length);
    return { opcode, inputs, outputs: operands.slice(signature.inputs.length), attrs: Object.fromEntries(attrs) };
  };
  const prepare = Array.from({ length: prepareCount! }, next);
  const step = Array.from({ length: stepCount! }, next);
  return { arenaLines: arenaLines!, tensors, prepare, step };
}

export interface ListingOptions {
  /**
   * The scratch bytes of an instruction by its position, counted over prepare then step. They are not shown if this is
   * absent.
   */
  readonly scratchBytes?: ((index: number) => number) | undefined;
  /** Show where operands lie: `(arena 12, state 3, - -> arena 0)`, in cache lines of the arena and by number elsewhere. Default false. */
  readonly places?: boolean | undefined;
}

/** A header line, then one line for each instruction: `12 conv2d layer1.0.conv1 [32, 64, 56, 56] direct epilogue=add+relu`. */
export function disassemble(program: Pick<Program, 'words' | 'lists'>, options: ListingOptions = {}): string {
  const { arenaLines, tensors, prepare, step } = decode(program.words);
  const slots = new Set(tensors.filter((t) => t.space === 'state').map((t) => t.offset)).size;
  const lines = [
    `program: ${count(prepare.length, 'prepare instruction')}, ${count(step.length, 'step instruction')}, ${count(slots, 'state slot')}, ` +
      `arena ${formatBytes(arenaLines * LINE_BYTES)}`,
  ];
  const names = [...program.lists.prepare, ...program.lists.step].map((instruction) => instruction.name);
  const width = String(Math.max(prepare.length, step.length) - 1).length;
  const list = (title: string, instructions: readonly DecodedInstruction[], base: number): void => {
    if (instructions.length > 0) lines.push(`${title}:`);
    for (const [i, instruction] of instructions.entries()) {
      const words = [instruction.opcode, names[base + i], ...details(instruction)];
      const scratch = options.scratchBytes?.(base + i) ?? 0;
      if (scratch > 0) words.push(`scratch ${formatBytes(scratch)}`);
      if (options.places) words.push(`(${formatPlaces(instruction.inputs)} -> ${formatPlaces(instruction.outputs)})`);
      lines.push(`  ${String(i).padStart(width)} ${words.filter(Boolean).join(' ')}`);
    }
  };
  list('prepare', prepare, 0);
  list('step', step, prepare.length);
  return lines.join('\n');
}

function formatPlaces(tensors: readonly (DecodedTensor | null)[]): string {
  return tensors.map((tensor) => (tensor ? `${tensor.space} ${tensor.offset}` : '-')).join(', ');
}

/** Shape, algorithm, geometry, epilogue and the rest of the attributes as words. */
function details(instruction: DecodedInstruction): string[] {
  const { opcode, inputs, outputs, attrs } = instruction;
  const signature = OPCODES[opcode];
  const main = outputs[0]!;
  // The axes of transpose are physical, so the shapes are too.
  const words = [opcode === 'transpose' ? `stored ${formatShape(main.shape)}` : formatShape(logicalShape(main.shape))];
  if (main.dtype !== 'float32') words.push(main.dtype);
  const rest = new Map(Object.entries(attrs));
  const take = (name: string): number | undefined => {
    const value = rest.get(name);
    rest.delete(name);
    return value;
  };
  for (const name of ['kind', 'layout', 'direction', 'algorithm']) {
    const values = signature.attrs.find((attr) => attr.name === name)?.values;
    if (values) words.push(nameOf(values, take(name)!));
  }
  if (opcode === 'transpose') {
    const axes = Array.from({ length: MAX_RANK }, (_, i) => take(`p${i}`)!);
    words.push(`axes ${axes.slice(0, main.shape.length).join(',')}`);
  }
  words.push(...geometry(take));

  const epilogue: string[] = [];
  for (const name of ['bias', 'add']) {
    const i = signature.inputs.findIndex((operand) => operand.name === name && operand.optional);
    if (i >= 0 && inputs[i]) epilogue.push(name);
  }
  const activation = take('activation') ?? ACTIVATION.none;
  if (activation !== ACTIVATION.none) epilogue.push(nameOf(ACTIVATION, activation));
  if (epilogue.length > 0) words.push(`epilogue=${epilogue.join('+')}`);

  for (const [name, value] of rest) if (value !== (name === 'widen' ? 1 : 0)) words.push(`${name}=${Number(value.toPrecision(7))}`);
  for (const [i, output] of outputs.entries()) {
    if (i > 0 && output && !signature.outputs[i]!.updated) words.push(`and ${signature.outputs[i]!.name}`);
  }
  const takenOver = inputs.some((t) => t && t.space === 'arena' && main.space === 'arena' && t.offset === main.offset);
  if (takenOver) words.push('in place');
  return words;
}

/** Window, stride, padding, dilation and groups, each only where it differs from its default. */
function geometry(take: (name: string) => number | undefined): string[] {
  const words: string[] = [];
  const pair = (a: string, b: string): [number, number] | undefined => {
    const [x, y] = [take(a), take(b)];
    return x === undefined || y === undefined ? undefined : [x, y];
  };
  const window = pair('kh', 'kw');
  if (window) words.push(window.join('x'));
  for (const [label, names, plain] of [
    ['stride', ['sh', 'sw'], 1],
    ['pad', ['pt', 'pl'], 0],
    ['padEnd', ['pb', 'pr'], 0],
    ['dilation', ['dh', 'dw'], 1],
  ] as const) {
    const values = pair(names[0], names[1]);
    if (values?.some((v) => v !== plain)) words.push(`${label}=${values[0] === values[1] ? values[0] : values.join(',')}`);
  }
  const groups = take('groups') ?? 1;
  if (groups !== 1) words.push(`groups=${groups}`);
  return words;
}

function logicalShape(shape: Shape): Shape {
  return shape.length === 4 ? [shape[0]!, shape[3]!, shape[1]!, shape[2]!] : shape;
}

function nameOf(enumeration: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(enumeration)[value] ?? String(value);
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

/** `196 KiB`, `1.5 MiB`, `640 B`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toPrecision(value < 10 ? 2 : 3))} ${units[unit]}`;
}
