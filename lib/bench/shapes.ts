/**
 * The distinct operations of a network for one image, as lines of bench/shapes/*.txt: read from the model's graph, written, parsed. Batch sizes and
 * what is measured are lib/bench/kernels.ts.
 */

import { StridenetError } from '../errors';
import { buildNetwork, type Network } from './networks';
import { portableGraph, type PortableNode } from './portableGraph';

/** Networks that have a file of shapes. */
export const SHAPE_FILES: readonly string[] = [
  'lenet5',
  'alexnet',
  'vgg16',
  'googlenet',
  'resnet18',
  'resnet50',
  'mobilenetV2',
  'densenet121',
  'resnetCifar20',
  'resnet18-cifar',
];

/** Operations that are listed. Where a node has two operands, both have the shape of the first. */
const LISTED = ['conv2d', 'linear', 'maxPool2d', 'avgPool2d', 'batchNorm', 'relu', 'relu6', 'add'] as const;
export type ShapeOp = (typeof LISTED)[number];

export interface OpShape {
  readonly op: ShapeOp;
  /** Of one image: [channels, height, width], or [features]. */
  readonly input: readonly number[];
  readonly attrs: Readonly<Record<string, readonly number[]>>;
  /** How often the network has it. */
  readonly count: number;
}

/** Attributes by operation in the order in which a line has them. */
const ATTRS: Readonly<Record<ShapeOp, readonly string[]>> = {
  conv2d: ['out', 'kernel', 'stride', 'padding', 'groups'],
  linear: ['out'],
  maxPool2d: ['kernel', 'stride', 'padding'],
  avgPool2d: ['kernel', 'stride', 'padding'],
  batchNorm: [],
  relu: [],
  relu6: [],
  add: [],
};

/** In the order of their first use. */
export function shapesOf(network: Network): OpShape[] {
  const { nodes } = portableGraph(buildNetwork(network), [1, ...network.input], false);
  const shapes = new Map<string, OpShape>();
  for (const node of nodes) {
    const op = LISTED.find((name) => name === node.op);
    if (!op) continue;
    const input = nodes[node.inputs[0]!]!.shape.slice(1);
    const weight = nodes[node.inputs[1] ?? 0]!;
    const attrs = Object.fromEntries(ATTRS[op].map((name) => [name, attributeOf(node, weight, name)]));
    const shape: OpShape = { op, input, attrs, count: 1 };
    const key = formatShapeLine(shape);
    shapes.set(key, { ...shape, count: (shapes.get(key)?.count ?? 0) + 1 });
  }
  return [...shapes.values()];
}

function attributeOf({ attrs, shape }: PortableNode, weight: PortableNode, name: string): readonly number[] {
  if (name === 'out') return [shape[1]!];
  if (name === 'kernel' && !attrs['kernel']) return weight.shape.slice(2);
  return [attrs[name]].flat() as number[];
}

/** `conv2d in=64x56x56 out=64 kernel=3x3 stride=1x1 padding=1x1x1x1 groups=1 count=1` */
export function formatShapeLine({ op, input, attrs, count }: OpShape): string {
  const words = ATTRS[op].map((name) => `${name}=${attrs[name]!.join('x')}`);
  return [op, `in=${input.join('x')}`, ...words, `count=${count}`].join(' ');
}

/** @throws StridenetError ERR_BAD_FILE, naming the line */
export function parseShapes(text: string, where: string): OpShape[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [name, ...words] = line.trim().split(/\s+/);
    const op = LISTED.find((known) => known === name);
    const fields = new Map(words.map((word) => [word.split('=')[0]!, (word.split('=')[1] ?? '').split('x').map(Number)]));
    const wanted = op && ['in', ...ATTRS[op], 'count'];
    const numbers = [...fields.values()].flat();
    if (!op || !wanted!.every((field) => fields.has(field)) || numbers.some((n) => !Number.isSafeInteger(n) || n < 0)) {
      throw new StridenetError('ERR_BAD_FILE', `${where}, line ${i + 1}, is no operation: "${line.trim()}".`);
    }
    const attrs = Object.fromEntries(ATTRS[op].map((field) => [field, fields.get(field)!]));
    return [{ op, input: fields.get('in')!, attrs, count: fields.get('count')![0]! }];
  });
}
