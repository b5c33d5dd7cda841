/** Sequential: layers one after the other, named by their number. */

import { formatValue, StridenetError } from '../errors';
import { statedPreprocessing, type Preprocessing } from '../graph/preprocess';
import type { Tensor } from '../graph/tensor';
import { Module } from './module';
import { NumberedModules } from './numbered';

/**
 * Calls its layers in order, each with the output of the one before.
 * @example new nn.Sequential(new nn.Linear(784, 100), new nn.ReLU(), new nn.Linear(100, 10)) // parameters 0.weight, 0.bias, 2.weight, 2.bias
 */
export class Sequential extends NumberedModules {
  /**
   * Layers to be called one after the other.
   * @param layers in their order
   * @throws StridenetError ERR_INVALID_ARGUMENT for what is no Module
   */
  constructor(...layers: Module[]) {
    super();
    for (const [i, layer] of layers.entries()) {
      if (!(layer instanceof Module)) {
        throw new StridenetError('ERR_INVALID_ARGUMENT', `Sequential expects Modules but argument ${i} is ${formatValue(layer)}.`);
      }
      if (typeof layer.forward !== 'function') {
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `Sequential expects Modules with a method forward(x) but argument ${i}, ${formatValue(layer)}, has none.`,
        );
      }
      layer.path = String(i);
    }
    Object.assign(this, layers);
  }

  /** As set here or by training; else as the first layer reads them, which may be a trained model. */
  override get preprocess(): Preprocessing | undefined {
    // Sequentials that begin each other are walked here: there may be more of them than the call stack has room for.
    const seen = new Set<Module>();
    let first: Module | undefined = this; // eslint-disable-line @typescript-eslint/no-this-alias
    while (first instanceof Sequential && !seen.has(first)) {
      const own = Reflect.get<Module, 'preprocess'>(Module.prototype, 'preprocess', first);
      if (own) return own;
      seen.add(first);
      first = first[0];
    }
    return first && !seen.has(first) ? statedPreprocessing(first) : undefined;
  }
  override set preprocess(value: Preprocessing | undefined) {
    super.preprocess = value;
  }

  forward(x: Tensor): Tensor {
    let y = x;
    // Nested Sequentials are walked in this loop, because there may be more levels than the call stack has room for.
    const open: { sequential: Sequential; rest: Iterator<Module> }[] = [];
    const inside = new Set<Module>();
    const enter = (sequential: Sequential): void => {
      if (inside.has(sequential)) {
        throw new StridenetError('ERR_INVALID_ARGUMENT', 'Sequential expects layers that do not hold the Sequential itself but one does.');
      }
      inside.add(sequential);
      open.push({ sequential, rest: sequential[Symbol.iterator]() });
    };
    enter(this);
    while (open.length > 0) {
      const { sequential, rest } = open.at(-1)!;
      const { done, value: layer } = rest.next() as IteratorResult<Module, undefined>;
      if (done) {
        open.pop();
        inside.delete(sequential);
      } else if (layer instanceof Sequential && layer.forward === Sequential.prototype.forward) {
        enter(layer);
      } else {
        y = layer.forward(y);
      }
    }
    return y;
  }
}
