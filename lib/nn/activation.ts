/** Layers without parameters that work element by element or on the shape alone. */

import { checkOptions } from '../errors';
import type { Tensor } from '../graph/tensor';
import { relu, sigmoid, tanh } from '../ops/elementwise';
import { flatten } from '../ops/shape';
import { Module } from './module';

/** A layer that takes no options, and says so to who passes some. */
abstract class Plain extends Module {
  constructor(options?: Readonly<Record<string, never>>) {
    super();
    checkOptions(new.target.name, options, []);
  }
}

/** max(x, 0) */
export class ReLU extends Plain {
  forward(x: Tensor): Tensor {
    return relu(x, { name: this.path });
  }
}

/** 1 / (1 + exp(-x)) */
export class Sigmoid extends Plain {
  forward(x: Tensor): Tensor {
    return sigmoid(x, { name: this.path });
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Plain {
  forward(x: Tensor): Tensor {
    return tanh(x, { name: this.path });
  }
}

/** Hands its input on. */
export class Identity extends Plain {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Joins the axes from `startAxis` (default 1) on: [N, C, H, W] becomes [N, C H W]. */
export class Flatten extends Module {
  readonly startAxis: number;

  constructor(options: { startAxis?: number } = {}) {
    super();
    checkOptions('Flatten', options, ['startAxis']);
    this.startAxis = options.startAxis ?? 1;
  }

  forward(x: Tensor): Tensor {
    return flatten(x, this.startAxis, { name: this.path });
  }
}
