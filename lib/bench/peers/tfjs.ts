/** TensorFlow.js as a peer, on its cpu or wasm backend: the shared graph in its own order of axes, [N, H, W, C]. */

import { dirname, join } from 'node:path';
import type * as Tfjs from '@tensorflow/tfjs';
import type * as WasmBackend from '@tensorflow/tfjs-backend-wasm';
import type { PortableGraph, PortableNode } from '../portableGraph';
import { CannotTakePart, type Peer, type Running, type Task } from '../protocol';
import { readGraph, readImages, readLabels, readWeights, requirePeer, resolvePeer } from './files';

type Tensor = Tfjs.Tensor;
type Tensor4D = Tfjs.Tensor4D;
type Sides = readonly [number, number, number, number];

const MOMENTUM_OF_STATISTICS = 0.1;

export function tfjsPeer(backend: 'cpu' | 'wasm'): Peer {
  const tf = requirePeer('@tensorflow/tfjs') as typeof Tfjs;
  const wasm = backend === 'wasm' ? (requirePeer('@tensorflow/tfjs-backend-wasm') as typeof WasmBackend) : undefined;
  return {
    version: () => `tfjs ${tf.version.tfjs}`,
    async open(task) {
      if (wasm) {
        wasm.setWasmPaths(join(dirname(resolvePeer('@tensorflow/tfjs-backend-wasm')), '/'));
        wasm.setThreadsCount(task.threads);
      }
      await tf.setBackend(backend);
      await tf.ready();
      return open(tf, task);
    },
  };
}

async function open(tf: typeof Tfjs, task: Task): Promise<Running> {
  const graph = readGraph(task);
  const weights = await readWeights(task);
  const depthwise = new Set(
    graph.nodes.filter(({ attrs }) => ((attrs['groups'] as number | undefined) ?? 1) > 1).map(({ inputs }) => inputs[1]!),
  );
  const variables = graph.nodes.map((node, i) =>
    node.op === 'variable' ? variableOf(tf, node, weights.get(node.name!)!, depthwise.has(i)) : undefined,
  );
  const images = tf.tidy(() => toNhwc(tf, tf.tensor4d(readImages(task), [task.batch, ...task.network.input])));
  const forward = (): Tensor => run(tf, graph, variables, images);
  if (task.mode === 'inference') {
    return {
      once: async () => {
        const logits = tf.tidy(forward);
        const data = (await logits.data()) as Float32Array;
        logits.dispose();
        return data;
      },
    };
  }
  const classes = graph.nodes[graph.output]!.shape[1]!;
  const target = tf.oneHot(tf.tensor1d(readLabels(task), 'int32'), classes);
  const optimizer = tf.train.momentum(task.learningRate, task.momentum);
  return {
    once: async () => {
      try {
        const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(target, forward()).asScalar(), true)!;
        const data = (await loss.data()) as Float32Array;
        loss.dispose();
        return data;
      } catch (error) {
        // The wasm backend has no kernel for it.
        const kernel = /Kernel '(\w+)' not registered for backend '(\w+)'/.exec((error as Error).message);
        throw kernel ? new CannotTakePart(`its ${kernel[2]} backend cannot train: it has no ${kernel[1]}`) : error;
      }
    },
  };
}

/** Weights of convolutions are [kh, kw, in, out] there, and [kh, kw, in, 1] when depthwise. */
function variableOf(tf: typeof Tfjs, { shape, trainable }: PortableNode, values: Float32Array, isDepthwise: boolean): Tfjs.Variable {
  return tf.tidy(() => {
    const value = tf.tensor(values, [...shape]);
    const ordered = shape.length === 4 ? tf.transpose(value, isDepthwise ? [2, 3, 0, 1] : [2, 3, 1, 0]) : value;
    return tf.variable(ordered, trainable);
  });
}

function toNhwc(tf: typeof Tfjs, x: Tensor4D): Tensor4D {
  return tf.transpose(x, [0, 2, 3, 1]);
}

/** The logits. Runs within tf.tidy. */
function run(tf: typeof Tfjs, { nodes, output }: PortableGraph, variables: readonly (Tfjs.Variable | undefined)[], images: Tensor): Tensor {
  const values: Tensor[] = [];
  for (const [i, node] of nodes.entries()) {
    if (node.op === 'input') values.push(images);
    else if (node.op === 'variable') values.push(variables[i]!);
    else values.push(compute(tf, node, node.inputs.map((k) => values[k]!), node.inputs.map((k) => nodes[k]!.shape))); // prettier-ignore
  }
  return values[output]!;
}

function compute(
  tf: typeof Tfjs,
  { op, attrs, shape }: PortableNode,
  inputs: readonly Tensor[],
  shapes: readonly (readonly number[])[],
): Tensor {
  const [x, weight, bias] = inputs as [Tensor4D, Tensor4D, Tensor];
  const stride = attrs['stride'] as [number, number];
  const kernel = attrs['kernel'] as [number, number];
  switch (op) {
    case 'conv2d': {
      const [top, bottom, left, right] = attrs['padding'] as Sides;
      const padding: [[number, number], [number, number], [number, number], [number, number]] = [[0, 0], [top, bottom], [left, right], [0, 0]]; // prettier-ignore
      const pad = top === bottom && left === right && top === left ? top : padding;
      const dilation = attrs['dilation'] as [number, number];
      const groups = attrs['groups'] as number;
      const channels = shapes[0]![1]!;
      if (groups !== 1 && groups !== channels) throw new CannotTakePart('it has no grouped convolution');
      const y =
        groups === 1 ? tf.conv2d(x, weight, stride, pad, 'NHWC', dilation) : tf.depthwiseConv2d(x, weight, stride, pad, 'NHWC', dilation);
      return bias ? tf.add(y, bias) : y;
    }
    case 'linear': {
      const y = tf.matMul(x, weight, false, true);
      return bias ? tf.add(y, bias) : y;
    }
    case 'batchNorm':
      return attrs['training'] === true
        ? batchNormOfBatch(tf, inputs, attrs['eps'] as number)
        : batchNorm(tf, inputs, attrs['eps'] as number);
    case 'relu':
      return tf.relu(x);
    case 'relu6':
      return tf.relu6(x);
    case 'maxPool2d':
      return tf.maxPool(x, kernel, stride, symmetric(attrs['padding'] as Sides));
    case 'avgPool2d':
      return tf.avgPool(x, kernel, stride, symmetric(attrs['padding'] as Sides));
    case 'adaptiveAvgPool2d': {
      const [, , height, width] = shapes[0] as readonly [number, number, number, number];
      const size = attrs['size'] as [number, number];
      if (height % size[0] !== 0 || width % size[1] !== 0) throw new CannotTakePart('it has no adaptive pooling');
      const window: [number, number] = [height / size[0], width / size[1]];
      return window[0] * window[1] === 1 ? x : tf.avgPool(x, window, window, 'valid');
    }
    case 'reshape':
      return tf.reshape(shapes[0]!.length === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x, [...shape]);
    case 'add':
      return tf.add(x, weight);
    case 'concat':
      return tf.concat([...inputs], 3);
    case 'dropout':
      return tf.dropout(x, attrs['p'] as number);
    default:
      throw new CannotTakePart(`it has no ${op}`);
  }
}

/** One number for all sides. */
function symmetric(padding: Sides): number {
  if (padding.every((side) => side === padding[0])) return padding[0];
  throw new CannotTakePart('its pooling pads all sides alike');
}

function batchNorm(tf: typeof Tfjs, inputs: readonly Tensor[], eps: number): Tensor {
  const [x, weight, bias, mean, variance] = inputs as [Tensor4D, ...Tfjs.Tensor1D[]] & [Tensor4D, Tfjs.Tensor1D, Tfjs.Tensor1D, Tfjs.Tensor1D, Tfjs.Tensor1D]; // prettier-ignore
  return tf.batchNorm(x, mean, variance, bias, weight, eps);
}

function batchNormOfBatch(tf: typeof Tfjs, inputs: readonly Tensor[], eps: number): Tensor {
  const [x, weight, bias, runningMean, runningVar] = inputs as [Tensor4D, Tensor, Tensor, Tfjs.Variable, Tfjs.Variable];
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  const count = x.size / x.shape[3];
  const move = (running: Tfjs.Variable, value: Tensor, gain: number): void =>
    running.assign(tf.add(tf.mul(running, 1 - MOMENTUM_OF_STATISTICS), tf.mul(value, gain)));
  move(runningMean, mean, MOMENTUM_OF_STATISTICS);
  move(runningVar, variance, (MOMENTUM_OF_STATISTICS * count) / (count - 1));
  return batchNorm(tf, [x, weight, bias, mean, variance], eps);
}
