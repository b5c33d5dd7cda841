/** A network in plain JavaScript: the shared graph run node by node, and trained by stochastic gradient descent. One thread. */

import { elementCount } from '../../graph/types';
import type { PortableGraph } from '../portableGraph';
import { factoryOf } from './layers';
import type { Operation, Value } from './value';

export class JsNetwork {
  private readonly operations: Operation[] = [];
  private readonly values: Value[] = [];
  private readonly trainable: { readonly value: Value; readonly velocity: Float32Array }[] = [];
  private readonly logits: Value;

  /** @param training whether gradients are kept */
  constructor(graph: PortableGraph, weights: ReadonlyMap<string, Float32Array>, images: Float32Array, training: boolean) {
    for (const node of graph.nodes) {
      const isInput = node.op === 'input';
      const isFixed = isInput || (node.op === 'variable' && node.trainable !== true);
      const size = elementCount(node.shape);
      const data = isInput ? images : node.name === undefined ? new Float32Array(size) : weights.get(node.name)!;
      const value: Value = { shape: node.shape, data, grad: training && !isFixed ? new Float32Array(size) : undefined };
      this.values.push(value);
      if (node.op === 'variable') {
        if (value.grad) this.trainable.push({ value, velocity: new Float32Array(size) });
      } else if (!isInput) {
        const inputs = node.inputs.map((i) => this.values[i]!);
        this.operations.push(factoryOf(node.op)(node, inputs, value));
      }
    }
    this.logits = this.values[graph.output]!;
  }

  predict(): Float32Array {
    for (const operation of this.operations) operation.forward();
    return this.logits.data;
  }

  /** One step of SGD on the mean cross-entropy. @returns the loss before it */
  step(labels: Int32Array, learningRate: number, momentum: number): number {
    this.predict();
    for (const { grad } of this.values) grad?.fill(0);
    const loss = this.crossEntropy(labels);
    for (const operation of this.operations.toReversed()) operation.backward();
    for (const { value, velocity } of this.trainable) {
      const { data, grad } = value;
      for (let i = 0; i < data.length; i++) {
        velocity[i] = momentum * velocity[i]! + grad![i]!;
        data[i]! -= learningRate * velocity[i]!;
      }
    }
    return loss;
  }

  /** -mean log softmax(logits)[label]; its gradient goes to that of the logits. */
  private crossEntropy(labels: Int32Array): number {
    const [rows, classes] = this.logits.shape as [number, number];
    const { data, grad } = this.logits;
    let loss = 0;
    for (let row = 0, at = 0; row < rows; row++, at += classes) {
      let largest = -Infinity;
      for (let i = at; i < at + classes; i++) largest = Math.max(largest, data[i]!);
      let total = 0;
      for (let i = at; i < at + classes; i++) total += Math.exp(data[i]! - largest);
      const label = at + labels[row]!;
      loss += Math.log(total) + largest - data[label]!;
      for (let i = at; i < at + classes; i++) grad![i] = Math.exp(data[i]! - largest) / total / rows;
      grad![label]! -= 1 / rows;
    }
    return loss / rows;
  }
}
