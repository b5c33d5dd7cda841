/** The fully connected layer. */

import { checkInteger, checkOptions } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { linear } from '../ops/matmul';
import { checkBias, defaultBias } from './conv';
import { kaimingUniform } from './init';
import { Module } from './module';
import { Parameter } from './parameter';

/**
 * y = x weight^T + bias for x [N, inFeatures]. `weight` is [outFeatures, inFeatures], `bias` [outFeatures], both initialised uniformly in
 * +-1 / sqrt(inFeatures) as in PyTorch.
 */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias?: Parameter;

  /** @param options.bias default true. @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    options: { bias?: boolean } = {},
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
