/** Layers without parameters that work element by element or on the shape alone. */

import { checkInteger, checkNumber, checkOptions } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { checkTensor } from '../ops/builder';
import { MAX_RANK, type DType } from '../graph/types';
import { checkApproximation, gelu, hardswish, leakyRelu, relu6, silu, type GeluApproximation } from '../ops/activation';
import { relu, sigmoid, tanh } from '../ops/elementwise';
import { flatten } from '../ops/shape';
import { checkAxis, logSoftmax, softmax } from '../ops/softmax';
import { Module } from './module';

/** A layer that takes no options, and says so to who passes some. */
abstract class Plain extends Module {
  /** A layer without options. */
  constructor(options?: Readonly<Record<string, never>>) {
    super();
    checkOptions(new.target.name, options, []);
  }
}

/** max(x, 0) */
export class ReLU extends Plain {
  forward(x: Tensor): Tensor<'float32'> {
    return relu(x, { name: this.path });
  }
}

/** 1 / (1 + exp(-x)) */
export class Sigmoid extends Plain {
  forward(x: Tensor): Tensor<'float32'> {
    return sigmoid(x, { name: this.path });
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Plain {
  forward(x: Tensor): Tensor<'float32'> {
    return tanh(x, { name: this.path });
  }
}

/** min(max(x, 0), 6) */
export class ReLU6 extends Plain {
  forward(x: Tensor): Tensor<'float32'> {
    return relu6(x, { name: this.path });
  }
}

/** Options of `nn.LeakyReLU`. */
export interface LeakyReLULayerOptions {
  /** Default 0.01. */
  negativeSlope?: number | undefined;
}

/** x where it is positive, else negativeSlope x. */
export class LeakyReLU extends Module {
  /** What negative numbers are multiplied by. */
  readonly negativeSlope: number;
  /**
   * A rectifier with a leak.
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(options: LeakyReLULayerOptions = {}) {
    super();
    checkOptions('LeakyReLU', options, ['negativeSlope']);
    this.negativeSlope = checkNumber('LeakyReLU', 'negativeSlope', options.negativeSlope ?? 0.01);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return leakyRelu(x, { negativeSlope: this.negativeSlope, name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ negativeSlope: this.negativeSlope });
  }
}

/** Options of `nn.GELU`. */
export interface GELULayerOptions {
  /** 'none' (default) or 'tanh'. */
  approximate?: GeluApproximation | undefined;
}

/** x Phi(x) with the normal distribution function, or its approximation by tanh (see `ops.gelu`). */
export class GELU extends Module {
  /** How the distribution function is computed. */
  readonly approximate: GeluApproximation;
  /**
   * A Gaussian error linear unit.
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(options: GELULayerOptions = {}) {
    super();
    checkOptions('GELU', options, ['approximate']);
    this.approximate = checkApproximation('GELU', options.approximate ?? 'none');
  }

  forward(x: Tensor): Tensor<'float32'> {
    return gelu(x, { approximate: this.approximate, name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ approximate: this.approximate });
  }
}

/** x sigmoid(x) */
export class SiLU extends Plain {
  forward(x: Tensor): Tensor<'float32'> {
    return silu(x, { name: this.path });
  }
}

/** x relu6(x + 3) / 6 */
export class Hardswish extends Plain {
  forward(x: Tensor): Tensor<'float32'> {
    return hardswish(x, { name: this.path });
  }
}

/** Options of `nn.Softmax`. */
export interface SoftmaxLayerOptions {
  /** The axis whose values are set against each other; default -1, the last. */
  axis?: number | undefined;
}

/** exp(x) / sum exp(x) over an axis. For training leave it out and use `nn.crossEntropy`, which takes logits. */
export class Softmax extends Module {
  /** The axis whose values are set against each other. */
  readonly axis: number;
  /**
   * Softmax over one axis.
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(options: SoftmaxLayerOptions = {}) {
    super();
    checkOptions('Softmax', options, ['axis']);
    this.axis = checkAxis('Softmax', options.axis ?? -1);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return softmax(x, { axis: this.axis, name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ axis: this.axis });
  }
}

/** Options of `nn.LogSoftmax`. */
export interface LogSoftmaxLayerOptions {
  /** The axis whose values are set against each other; default -1, the last. */
  axis?: number | undefined;
}

/** The logarithm of softmax over an axis. */
export class LogSoftmax extends Module {
  /** The axis whose values are set against each other. */
  readonly axis: number;
  /**
   * The logarithm of softmax over one axis.
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(options: LogSoftmaxLayerOptions = {}) {
    super();
    checkOptions('LogSoftmax', options, ['axis']);
    this.axis = checkAxis('LogSoftmax', options.axis ?? -1);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return logSoftmax(x, { axis: this.axis, name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ axis: this.axis });
  }
}

/** Hands its input on. */
export class Identity extends Plain {
  forward<D extends DType>(x: Tensor<D>): Tensor<D> {
    checkTensor('Identity', 'its input', x);
    return x;
  }
}

/** Options of `nn.Flatten`. */
export interface FlattenLayerOptions {
  /** The first of the axes that are joined; default 1. */
  startAxis?: number | undefined;
}

/** Joins the axes from `startAxis` (default 1) on: [N, C, H, W] becomes [N, C H W]. */
export class Flatten extends Module {
  /** The first of the axes that are joined. */
  readonly startAxis: number;
  /** A layer that joins axes. */
  constructor(options: FlattenLayerOptions = {}) {
    super();
    checkOptions('Flatten', options, ['startAxis']);
    this.startAxis = checkInteger('Flatten', 'startAxis', options.startAxis ?? 1, -MAX_RANK);
  }

  forward<D extends DType>(x: Tensor<D>): Tensor<D> {
    return flatten(x, this.startAxis, { name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ startAxis: this.startAxis });
  }
}
