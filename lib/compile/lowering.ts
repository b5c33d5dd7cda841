/**
 * What lowering works with. Every node becomes a buffer and the instructions that fill it (or no instruction at all: a reshape that
 * moves nothing is an alias). What depends only on variables that the graph does not update goes to the prepare list and lives in
 * derived slots. How each operation is lowered is handed in.
 */

import { StridenetError } from '../errors';
import { exactKey } from '../graph/exactKey';
import { roots, type Graph } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder, useCounts } from '../graph/traverse';
import { elementCount, physicalAxes, physicalShape, type Shape } from '../graph/types';
import { inPieces, type Work } from '../work';
import type { AlgorithmMode } from './algorithm';
import type { Buffer, Instruction, InstructionLists, NativeQueries, Place } from './ir';
import { OPCODES, UNARY_KIND, LAYOUT, type OpcodeName } from './opcodes';
import { passAttrs } from './passAttrs';

const ARENA: Place = { space: 'arena' };

function transposeAttrs(axes: readonly number[]): Record<string, number> {
  return Object.fromEntries(OPCODES.transpose.attrs.map(({ name }, i) => [name, axes[i] ?? i]));
}

/** Names a constant by its value where that is short, so that graphs built anew for another batch size share derived slots. */
function constantKey(node: Tensor): string {
  const { data } = node.leaf as { data: ArrayLike<number> };
  return data.length <= 64 ? `${node.dtype}${exactKey(node.shape)}${exactKey(data)}` : `c${node.id}`;
}

/** How one operation becomes instructions, and the buffer that they leave its value in. */
export type Lower = (l: Lowering, node: Tensor) => Buffer;

export class Lowering {
  private readonly prepare: Instruction[] = [];
  private readonly step: Instruction[] = [];
  private readonly feeds: Buffer[] = [];
  private readonly fetches: Buffer[] = [];
  private readonly buffers = new Map<Tensor, Buffer>();
  /** Keys of the nodes that depend only on variables at rest. */
  private readonly staticKeys = new Map<Tensor, string>();
  private readonly packs = new Map<Tensor, Map<string, Buffer>>();
  private readonly uses: Map<Tensor, number>;
  private readonly order: readonly Tensor[];
  private readonly users = new Map<Tensor, Tensor[]>();
  private nextBuffer = 0;
  /** Transposes of the node being lowered so far: tells their derived values apart. */
  private transposes = 0;
  /** The node being lowered: names its instructions and tells the list they belong to. */
  private current: Tensor | undefined;

  constructor(
    private readonly graph: Graph,
    readonly queries: NativeQueries,
    /** What convolutions may use. */
    readonly algorithm: AlgorithmMode,
    /** How each operation is lowered, by its name. */
    private readonly lowerings: Readonly<Record<string, Lower | undefined>>,
  ) {
    this.order = topologicalOrder(roots(graph));
    this.uses = useCounts(roots(graph));
  }

  /** Lowers everything but the updates. */
  *lowerNodes(): Work<void> {
    this.findUsers();
    yield;
    this.findStatic();
    for (const feed of this.graph.feeds) this.lowerFeed(feed);
    // A scaled weight is made only for readers that do not pack it.
    yield* inPieces(this.order, (node) => {
      if (node.op !== 'scaledWeight') this.bufferOf(node);
    });
    this.graph.outputs.forEach((output, index) => this.lowerFetch(output, index));
  }

  /** The instructions that were made so far. */
  lists(): InstructionLists {
    return { prepare: this.prepare, step: this.step, feeds: this.feeds, fetches: this.fetches };
  }

  /** The buffer of a node, lowering it if that has not happened yet. */
  bufferOf(node: Tensor): Buffer {
    const known = this.buffers.get(node);
    if (known) return known;
    const outer = [this.current, this.transposes] as const;
    [this.current, this.transposes] = [node, 0];
    const buffer = this.lowerNode(node);
    [this.current, this.transposes] = outer;
    this.define(node, buffer);
    return buffer;
  }

  /** Says that `buffer` holds the value of `node`, for a node that is made together with another. */
  define(node: Tensor, buffer: Buffer): void {
    this.buffers.set(node, buffer);
  }

  /** Whether the node depends on variables at rest alone, so that its instructions are in the prepare list. */
  isStatic(node: Tensor): boolean {
    return this.staticKeys.has(node);
  }

  isDefined(node: Tensor): boolean {
    return this.buffers.has(node);
  }

  /** The nodes of the graph that read `node`, inputs before users. */
  usersOf(node: Tensor): readonly Tensor[] {
    return this.users.get(node) ?? [];
  }

  /** A new buffer for a value of the node being lowered; `purpose` tells its values apart. */
  allocate(dtype: Buffer['dtype'], shape: Shape, purpose: string): Buffer {
    const key = this.current && this.staticKeys.get(this.current);
    const place: Place = key === undefined ? ARENA : { space: 'derived', key: `${purpose}(${key})` };
    return this.makeBuffer(dtype, shape, place);
  }

  emit(
    opcode: OpcodeName,
    inputs: readonly (Buffer | null)[],
    outputs: readonly (Buffer | null)[],
    attrs: Readonly<Record<string, number>> = {},
    name = this.current?.name ?? '',
  ): void {
    const isStatic = this.current !== undefined && this.staticKeys.has(this.current);
    const late = this.current !== undefined && passAttrs(this.current).recomputed === true;
    (isStatic ? this.prepare : this.step).push({ opcode, inputs, outputs, attrs, name, late });
  }

  /** The same memory under other physical extents. */
  alias(buffer: Buffer, shape: Shape): Buffer {
    if (shape.length === buffer.shape.length && shape.every((d, i) => d === buffer.shape[i])) return buffer;
    return { id: this.nextBuffer++, dtype: buffer.dtype, shape, name: buffer.name, place: buffer.place, aliasOf: buffer.aliasOf ?? buffer };
  }

  /** A copy of the value in memory of its own. */
  copy(buffer: Buffer): Buffer {
    const result = this.makeBuffer(buffer.dtype, buffer.shape, ARENA);
    this.emit('unary', [buffer], [result], { kind: UNARY_KIND.copy });
    return result;
  }

  /** Permutes logical axes; an alias when no element moves. */
  permute(buffer: Buffer, logical: Shape, permutation: readonly number[]): Buffer {
    const from = physicalAxes(logical.length);
    const to = physicalAxes(permutation.length).map((axis) => from.indexOf(permutation[axis]!));
    return this.permutePhysical(buffer, to);
  }

  /** y.shape[i] = x.shape[axes[i]] on physical axes; an alias when no element moves. */
  permutePhysical(buffer: Buffer, axes: readonly number[]): Buffer {
    const shape = axes.map((axis) => buffer.shape[axis]!);
    const moving = axes.filter((axis) => buffer.shape[axis] !== 1);
    if (moving.every((axis, i) => i === 0 || axis > moving[i - 1]!)) return this.alias(buffer, shape);
    const result = this.allocate(buffer.dtype, shape, `transpose${this.transposes++}`);
    this.emit('transpose', [buffer], [result], transposeAttrs(axes));
    return result;
  }

  /** The value in another logical shape: moves elements only where the physical order differs. */
  reshape(buffer: Buffer, from: Shape, to: Shape): Buffer {
    const sameOrder = from.length === 4 && to.length === 4 && from[0] === to[0] && from[1] === to[1];
    if (sameOrder) return this.alias(buffer, physicalShape(to));
    return this.fromLogicalOrder(this.toLogicalOrder(buffer, from), to);
  }

  /** The value with its elements in row-major logical order; its physical shape is the logical one. */
  toLogicalOrder(buffer: Buffer, shape: Shape): Buffer {
    return shape.length === 4 ? this.permutePhysical(buffer, [0, 3, 1, 2]) : buffer;
  }

  private fromLogicalOrder(buffer: Buffer, shape: Shape): Buffer {
    const viewed = this.alias(buffer, shape);
    return shape.length === 4 ? this.permutePhysical(viewed, [0, 2, 3, 1]) : viewed;
  }

  private lowerNode(node: Tensor): Buffer {
    if (node.leaf) return this.lowerLeaf(node);
    const lowering = this.lowerings[node.op];
    if (!lowering) throw new Error(`no lowering for operation ${node.op}`);
    return lowering(this, node);
  }

  private lowerLeaf(node: Tensor): Buffer {
    const leaf = node.leaf!;
    const shape = physicalShape(node.shape);
    switch (leaf.kind) {
      case 'variable':
        return this.makeBuffer(node.dtype, shape, { space: 'state', variable: node });
      case 'constant':
        if (leaf.data instanceof Uint8Array) {
          throw new StridenetError(
            'ERR_DTYPE_MISMATCH',
            'A graph expects constants of type float32 or int32 but one is uint8. Convert it: tensor(Float32Array.from(values), shape).',
          );
        }
        return this.fromLogicalOrder(this.makeBuffer(node.dtype, node.shape, { space: 'constant', data: leaf.data }), node.shape);
      case 'input':
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `A graph expects tensors of its own but depends on "${node.name}" of another one, such as an output or labels that a loss or a forward ` +
            'kept from an earlier call. Use what this call was given.',
        );
    }
  }

  private lowerFeed(node: Tensor): void {
    if (node.leaf?.kind !== 'input') throw new Error('a feed must be a placeholder');
    const { feedDType, layout, scale, shift } = node.leaf.input;
    const physical = physicalShape(node.shape);
    const plain = !scale && !shift && feedDType === node.dtype;
    const moves = layout === 'nchw' && node.rank === 4 && node.shape[1] !== 1 && elementCount(node.shape.slice(2)) !== 1;
    const rawShape = layout === 'nchw' ? node.shape : physical;
    const raw = this.makeBuffer(feedDType, rawShape, { space: 'feed', index: this.feeds.length });
    this.feeds.push(raw);
    this.current = node;
    if (plain && !moves) {
      this.define(node, this.alias(raw, physical));
    } else {
      const list = (values?: readonly number[]): Buffer | null =>
        values ? this.makeBuffer('float32', [values.length], { space: 'constant', data: Float32Array.from(values) }) : null;
      const result = this.makeBuffer(node.dtype, physical, ARENA);
      this.emit('feed', [raw, list(scale), list(shift)], [result], { layout: LAYOUT[layout] });
      this.define(node, result);
    }
    this.current = undefined;
  }

  private lowerFetch(node: Tensor, index: number): void {
    const place: Place = { space: 'fetch', index };
    const fetched = this.makeBuffer(node.dtype, node.shape, place);
    this.fetches.push(fetched);
    const source = this.bufferOf(node);
    if (node.rank === 4 && node.shape[1] !== 1 && elementCount(node.shape.slice(2)) !== 1) {
      this.emit('transpose', [source], [fetched], transposeAttrs([0, 3, 1, 2]), node.name);
    } else if (!this.retarget(node, source, fetched)) {
      this.emit('unary', [this.alias(source, node.shape)], [fetched], { kind: UNARY_KIND.copy }, node.name);
    }
  }

  /**
   * Where a fetched value is used nowhere else, lets the instruction that makes it write straight to the fetched
   * memory.
   */
  private retarget(node: Tensor, source: Buffer, fetched: Buffer): boolean {
    if (this.uses.get(node) !== 1 || source.aliasOf || source.place.space !== 'arena') return false;
    const makers = this.step.filter((instruction) => instruction.outputs.includes(source));
    const readers = this.step.some((instruction) => instruction.inputs.some((input) => (input?.aliasOf ?? input) === source));
    if (makers.length !== 1 || readers) return false;
    const i = this.step.indexOf(makers[0]!);
    const target = this.alias(fetched, source.shape);
    this.step[i] = { ...makers[0]!, outputs: makers[0]!.outputs.map((output) => (output === source ? target : output)) };
    return true;
  }

  private makeBuffer(dtype: Buffer['dtype'], shape: Shape, place: Place): Buffer {
    return { id: this.nextBuffer++, dtype, shape, name: this.current?.name ?? '', place };
  }

  private findUsers(): void {
    for (const node of this.order) {
      for (const input of new Set(node.inputs)) {
        const users = this.users.get(input);
        if (users) users.push(node);
        else this.users.set(input, [node]);
      }
    }
  }

  /** A node is static when its leaves are constants and variables that this graph leaves alone, with at least one variable. */
  private findStatic(): void {
    const updated = new Set(this.graph.updates.flatMap((update) => update.variables));
    const constants = new Map<Tensor, string>();
    for (const node of this.order) {
      if (node.leaf) {
        if (node.leaf.kind === 'variable' && !updated.has(node)) this.staticKeys.set(node, `v${node.id}`);
        if (node.leaf.kind === 'constant') constants.set(node, constantKey(node));
        continue;
      }
      const keys = node.inputs.map((input) => this.staticKeys.get(input) ?? constants.get(input));
      if (node.inputs.some((input) => this.staticKeys.has(input)) && keys.every((key) => key !== undefined)) {
        this.staticKeys.set(node, `${node.op}${exactKey(node.attrs)}[${keys.join()}]`);
      }
    }
  }

  /** What packing reads: a weight, and the scale of its output channels if packing is to multiply by one. */
  packSource(weight: Tensor): [source: Buffer, scale: Buffer | null] {
    if (weight.op !== 'scaledWeight') return [this.bufferOf(weight), null];
    return [this.bufferOf(weight.inputs[0]!), this.bufferOf(weight.inputs[1]!)];
  }

  /**
   * The panels of a weight, made once for all uses with equal attributes. They belong to the weight's list: a static weight is
   * packed in the prepare list although its user is not static.
   */
  packed(opcode: 'conv2d_pack' | 'matmul_pack', weight: Tensor, attrs: Readonly<Record<string, number>>): Buffer {
    const key = `${opcode}${exactKey(attrs)}`;
    const known = this.packs.get(weight)?.get(key);
    if (known) return known;
    const [source, scale] = this.packSource(weight);
    const outer = this.current;
    this.current = weight;
    const buffer = this.allocate('float32', [this.queries.packedLength(opcode, source.shape, attrs)], key);
    this.emit(opcode, opcode === 'conv2d_pack' ? [source, scale] : [source], [buffer], attrs);
    this.current = outer;
    this.packs.set(weight, (this.packs.get(weight) ?? new Map<string, Buffer>()).set(key, buffer));
    return buffer;
  }
}
