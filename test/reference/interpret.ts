/**
 * Evaluates a graph of Tensor nodes in float64 with the loop nests of this folder: the meaning of a graph, without compiler and
 * without native code. A node that reaches the runtime is defined here once more, by name.
 */

import type { Tensor } from '../../lib/graph/tensor';
import { topologicalOrder } from '../../lib/graph/traverse';
import { adaptiveAvgPool2d, adaptiveAvgPool2dGrad } from './adaptivePool';
import { array64, type Array64 } from './array64';
import { conv2d, conv2dGradInput, conv2dGradWeight, type ConvGeometry } from './conv';
import { binary, binaryFunctions, broadcastTo, clamp, clampGrad, leakyRelu, leakyReluGrad, unary, unaryFunctions } from './elementwise';
import { dropout } from './dropout';
import { linear, matmul } from './matmul';
import { avgPool2d, avgPool2dGrad, maxPool2d, maxPool2dGather, maxPool2dGrad, type PoolGeometry } from './pool';
import {
  batchNorm,
  batchNormGradBias,
  batchNormGradInput,
  batchNormGradWeight,
  batchNormMean,
  batchNormVariance,
  channelWindowSum,
  localResponseNorm,
  localResponseNormGrad,
  type ResponseNorm,
} from './norm';
import { reduce } from './reduce';
import { concat, pad, pad2d, pad2dGrad, slice, type Padding2d } from './slice';
import { reshape, transpose } from './shape';
import { confusionCounts, countCorrect, countTopK, crossEntropy, crossEntropyGrad, oneHot, softmaxOver, type LossAttrs } from './softmax';

export type Values = Map<Tensor, Array64>;

/**
 * The values of all nodes that `outputs` depend on.
 * @param given values to use for some nodes in place of their own: inputs of a graph, or perturbed constants
 */
export function interpret(outputs: readonly Tensor[], given: ReadonlyMap<Tensor, Array64> = new Map()): Values {
  const values: Values = new Map();
  for (const node of topologicalOrder(outputs)) {
    const value = given.get(node) ?? evaluateNode(
      node,
      node.inputs.map((input) => values.get(input)!),
    ); // prettier-ignore
    if (value.shape.join() !== node.shape.join()) {
      throw new Error(`${node.op} says [${node.shape.join(', ')}] but the reference computes [${value.shape.join(', ')}]`);
    }
    values.set(node, value);
  }
  return values;
}

/** One node from the values of its inputs; leaves give their stored value. */
export function evaluateNode(node: Tensor, inputs: readonly Array64[]): Array64 {
  const [a, b, c, d] = inputs as [Array64, Array64, Array64, Array64];
  switch (node.op) {
    case 'constant':
      return array64(node.shape, node.value);
    case 'variable':
      return array64(node.shape, node.leaf?.kind === 'variable' ? node.leaf.storage.value() : undefined);
    case 'conv2d':
      return conv2d(a, b, convGeometry(node), c);
    case 'conv2dGradInput':
      return conv2dGradInput(a, b, node.shape, convGeometry(node));
    case 'conv2dGradWeight':
      return conv2dGradWeight(a, b, node.shape, convGeometry(node));
    case 'maxPool2d':
      return maxPool2d(a, poolGeometry(node));
    case 'maxPool2dGrad':
      return maxPool2dGrad(a, b, poolGeometry(node));
    case 'maxPool2dGather':
      return maxPool2dGather(a, b, poolGeometry(node));
    case 'avgPool2d':
      return avgPool2d(a, poolGeometry(node), attr<boolean>(node, 'countIncludePad'));
    case 'avgPool2dGrad':
      return avgPool2dGrad(a, node.shape, poolGeometry(node), attr<boolean>(node, 'countIncludePad'));
    case 'batchNormMean':
      return batchNormMean(a);
    case 'batchNormVariance':
      return batchNormVariance(a);
    case 'batchNorm':
      return batchNorm(a, b, c, d, inputs[4]!, attr<number>(node, 'eps'));
    case 'batchNormGradWeight':
      return batchNormGradWeight(a, b, c, d, attr<number>(node, 'eps'));
    case 'batchNormGradBias':
      return batchNormGradBias(b);
    case 'batchNormGradInput':
      return batchNormGradInput(inputs, attr<number>(node, 'eps'));
    case 'localResponseNorm':
      return localResponseNorm(a, node.attrs as unknown as ResponseNorm);
    case 'localResponseNormGrad':
      return localResponseNormGrad(a, b, node.attrs as unknown as ResponseNorm);
    case 'channelWindowSum':
      return channelWindowSum(a, attr<number>(node, 'before'), attr<number>(node, 'after'));
    case 'matmul':
      return matmul(a, b, attr<boolean>(node, 'transposeA'), attr<boolean>(node, 'transposeB'));
    case 'linear':
      return linear(a, b, c);
    case 'sum':
    case 'mean':
    case 'max':
      return reduce(node.op, a, attr<number[]>(node, 'axes'), attr<boolean>(node, 'keepDims'));
    case 'detach':
      return a;
    case 'broadcastTo':
      return broadcastTo(a, node.shape);
    case 'adaptiveAvgPool2d':
      return adaptiveAvgPool2d(a, attr<number[]>(node, 'size'));
    case 'adaptiveAvgPool2dGrad':
      return adaptiveAvgPool2dGrad(a, attr<number[]>(node, 'size'));
    case 'concat':
      return concat(inputs, attr<number>(node, 'axis'));
    case 'slice':
      return slice(a, attr<number[]>(node, 'starts'), node.shape);
    case 'pad':
      return pad(a, attr<number[]>(node, 'starts'), node.shape, attr<number>(node, 'value'));
    case 'pad2d':
      return pad2d(a, node.attrs as unknown as Padding2d);
    case 'pad2dGrad':
      return pad2dGrad(a, node.shape, node.attrs as unknown as Padding2d);
    case 'dropout':
      return dropout(a, b, attr<number>(node, 'p'), attr<number>(node, 'node'));
    case 'reshape':
      return reshape(a, node.shape);
    case 'transpose':
      return transpose(a, attr<number[]>(node, 'permutation'));
    case 'softmax':
      return softmaxOver(a, attr<number>(node, 'axis'), false);
    case 'logSoftmax':
      return softmaxOver(a, attr<number>(node, 'axis'), true);
    case 'crossEntropy':
      return crossEntropy(a, b, node.attrs as unknown as LossAttrs);
    case 'crossEntropyGrad':
      return crossEntropyGrad(a, b, c, node.attrs as unknown as LossAttrs);
    case 'oneHot':
      return oneHot(a, attr<number>(node, 'classes'), attr<number>(node, 'ignoreIndex'));
    case 'clamp':
      return clamp(a, attr<number>(node, 'min'), attr<number>(node, 'max'));
    case 'clampGrad':
      return clampGrad(a, b, attr<number>(node, 'min'), attr<number>(node, 'max'));
    case 'leakyRelu':
      return leakyRelu(a, attr<number>(node, 'negativeSlope'));
    case 'leakyReluGrad':
      return leakyReluGrad(a, b, attr<number>(node, 'negativeSlope'));
    case 'countCorrect':
      return countCorrect(a, b);
    case 'countTopK':
      return countTopK(a, b, attr<number>(node, 'k'), attr<number>(node, 'ignoreIndex'));
    case 'confusionCounts':
      return confusionCounts(a, b, attr<number>(node, 'ignoreIndex'));
    default:
      if (node.op in unaryFunctions) return unary(node.op, a);
      if (node.op in binaryFunctions) return binary(node.op, a, b);
      throw new Error(`the reference knows no operation "${node.op}"`);
  }
}

function attr<T>(node: Tensor, name: string): T {
  if (!(name in node.attrs)) throw new Error(`${node.op} has no attribute ${name}`);
  return node.attrs[name] as T;
}

type Pair = readonly [number, number];

function sides(node: Tensor): [Pair, Pair] {
  const [top, bottom, left, right] = attr<readonly [number, number, number, number]>(node, 'padding');
  return [
    [top, bottom],
    [left, right],
  ];
}

function convGeometry(node: Tensor): ConvGeometry {
  return {
    stride: attr<Pair>(node, 'stride'),
    padding: sides(node),
    dilation: attr<Pair>(node, 'dilation'),
    groups: attr<number>(node, 'groups'),
  };
}

function poolGeometry(node: Tensor): PoolGeometry {
  return {
    kernelSize: attr<Pair>(node, 'kernel'),
    stride: attr<Pair>(node, 'stride'),
    padding: sides(node),
    dilation: attr<Pair>(node, 'dilation'),
    ceilMode: attr<boolean>(node, 'ceilMode'),
  };
}
