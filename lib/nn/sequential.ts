/** Sequential: layers one after the other, named by their number. */

import { checkInteger, formatValue, StridenetError } from '../errors';
import { statedPreprocessing, type Preprocessing } from '../graph/preprocess';
import type { Tensor } from '../graph/tensor';
import { Module } from './module';

/**
 * Calls its layers in order, each with the output of the one before.
 * @example new nn.Sequential(new nn.Linear(784, 100), new nn.ReLU(), new nn.Linear(100, 10)) // parameters 0.weight, 0.bias, 2.weight, 2.bias
 */
export class Sequential extends Module {
  /** The layers are fields named 0, 1, ..., so that parameter names come out as in PyTorch. One may be replaced: `model.classifier[6] = head`. */
  [index: number]: Module;
  /** Number of layers. */
  readonly length: number;

  constructor(...layers: Module[]) {
    super();
    for (const [i, layer] of layers.entries()) {
      if (!(layer instanceof Module)) {
        throw new StridenetError('ERR_INVALID_ARGUMENT', `Sequential expects Modules but argument ${i} is ${formatValue(layer)}.`);
      }
      layer.path = String(i);
    }
    Object.assign(this, layers);
    this.length = layers.length;
  }

  /** The layer at `index`; negative ones count from the end. */
  at(index: number): Module | undefined {
    const i = index < 0 ? index + this.length : index;
    return this[checkInteger('Sequential.at', 'index', i, 0)];
  }

  /** As set here or by training; else as the first layer reads them, which may be a trained model. */
  override get preprocess(): Preprocessing | undefined {
    const first = this[0];
    return super.preprocess ?? (first && statedPreprocessing(first));
  }
  override set preprocess(value: Preprocessing | undefined) {
    super.preprocess = value;
  }

  *[Symbol.iterator](): Iterator<Module> {
    for (let i = 0; i < this.length; i++) yield this[i]!;
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (const layer of this) y = layer.forward(y);
    return y;
  }
}
