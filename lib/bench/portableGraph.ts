/**
 * A model's forward graph as plain data, for the peers: each of them runs the same nodes with its own operations. Shapes are logical,
 * [N, C, H, W]. Batch normalisation is one node in both modes, as in PyTorch; losses and optimizers are not part of it.
 */

import { StridenetError } from '../errors';
import { inputTensor } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import type { Module } from '../nn';
import { withRandomStep } from '../ops/dropout';
import { collectUpdates } from '../ops/update';
import { callModel } from '../train/graphs';

/** `op` is the name in lib/ops with that operation's attributes; `input` and `variable` are leaves. */
export interface PortableNode {
  readonly op: string;
  /** Indices of earlier nodes. */
  readonly inputs: readonly number[];
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly shape: readonly number[];
  /** The name of a variable in the state dict. */
  readonly name?: string;
  /** Whether training moves a variable by its gradient. */
  readonly trainable?: boolean;
}

export interface PortableGraph {
  readonly nodes: readonly PortableNode[];
  /** Index of the logits, [N, classes]. */
  readonly output: number;
}

/**
 * The graph for a batch. `batchNorm` has the inputs x, weight, bias, running mean, running variance; `dropout` has x.
 * @param training whether layers behave as in training
 */
export function portableGraph(model: Module, shape: readonly number[], training: boolean): PortableGraph {
  const images = inputTensor({ name: 'images', feedDType: 'float32', layout: 'nchw' }, shape, 'float32');
  const random = inputTensor({ name: 'randomStep', feedDType: 'int32', layout: 'nchw' }, [3], 'int32');
  const { result } = withRandomStep(random, () => collectUpdates(() => callModel(model, images, training)));
  const logits = result.result;
  const variables = model.stateDict();
  const names = new Map([...variables].map(([name, variable]) => [variable as Tensor, name]));
  const trainable = new Set<Tensor>(model.parameters());

  const nodes: PortableNode[] = [];
  const numbers = new Map<Tensor, number>();
  const numberOf = (node: Tensor): number => {
    const known = numbers.get(node);
    if (known !== undefined) return known;
    const { op, attrs, shape: extents } = node;
    let entry: PortableNode;
    if (node === images) entry = { op: 'input', inputs: [], attrs: {}, shape: extents };
    else if (op === 'variable') {
      entry = { op, inputs: [], attrs: {}, shape: extents, name: names.get(node), trainable: trainable.has(node) };
    } else entry = { op, inputs: inputsOf(node, variables).map(numberOf), attrs, shape: extents };
    nodes.push(entry);
    numbers.set(node, nodes.length - 1);
    return nodes.length - 1;
  };
  // In topological order, so that the recursion stays shallow.
  for (const node of topologicalOrder([logits])) if (!INTERNAL.has(node.op) && node !== random) numberOf(node);
  return { nodes, output: numberOf(logits) };
}

/** Parts of batch normalisation in training. */
const INTERNAL: ReadonlySet<string> = new Set(['batchNormMean', 'batchNormVariance']);

function inputsOf({ op, name, inputs, attrs }: Tensor, variables: ReadonlyMap<string, Tensor>): readonly Tensor[] {
  if (op === 'dropout') return inputs.slice(0, 1);
  if (op !== 'batchNorm') return inputs;
  const [x, mean, variance, weight, bias] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  if (attrs['training'] !== true) return [x, weight, bias, mean, variance];
  const running = ['running_mean', 'running_var'].map((suffix) => variables.get(`${name}.${suffix}`));
  const [runningMean, runningVar] = running;
  if (runningMean && runningVar) return [x, weight, bias, runningMean, runningVar];
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `The benchmark expects running statistics beside batchNorm "${name}" but there are none.`,
  );
}
