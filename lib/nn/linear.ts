/** The fully connected layer. */

import { checkInteger, checkOptions } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { linear } from '../ops/matmul';
import { checkBias, defaultBias } from './conv';
import { kaimingUniform } from './init';
import { Module } from './module';
import { Parameter } from './parameter';

/** Options of `nn.Linear`. */
export interface LinearLayerOptions {
  /** Default true. */
  bias?: boolean | undefined;
}

/**
 * y = x weight^T + bias for x [N, inFeatures]. `weight` is [outFeatures, inFeatures], `bias` [outFeatures], both initialised uniformly in
 * +-1 / sqrt(inFeatures) as in PyTorch.
 */
export class Linear extends Module {
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures]; absent with `bias: false`. */
  readonly bias?: Parameter;
  /**
   * A fully connected layer with weights drawn as PyTorch draws them.
   * @param inFeatures numbers of each input
   * @param outFeatures numbers of each output
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(
    /** Numbers of each input. */
    readonly inFeatures: number,
    /** Numbers of each output. */
    readonly outFeatures: number,
    options: LinearLayerOptions = {},
  ) {
    super();
    checkOptions('Linear', options, ['bias']);
    checkInteger('Linear', 'inFeatures', inFeatures, 1);
    checkInteger('Linear', 'outFeatures', outFeatures, 1);
    this.weight = kaimingUniform(new Parameter([outFeatures, inFeatures]), { a: Math.sqrt(5) });
    if (checkBias('Linear', options.bias)) this.bias = defaultBias(this.weight);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return linear(x, this.weight, { bias: this.bias, name: this.path });
  }

  override extraRepr(): string {
    const { inFeatures, outFeatures, bias } = this;
    return formatFields({ inFeatures, outFeatures, bias: bias !== undefined });
  }
}
