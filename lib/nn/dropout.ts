/** Dropout layers: active in training, the identity otherwise. */

import { checkOptions } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { checkProbability, dropout, dropout2d } from '../ops/dropout';
import { Module } from './module';

/** Sets numbers to zero with probability p while training and multiplies the others by 1 / (1 - p) (see `ops.dropout`). */
export class Dropout extends Module {
  /** The probability of being set to zero. */
  readonly p: number;
  /**
   * Dropout of numbers.
   * @param p the probability, in [0, 1); default 0.5
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(p = 0.5, options?: Readonly<Record<string, never>>) {
    super();
    checkOptions('Dropout', options, []);
    this.p = checkProbability('Dropout', p);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return dropout(x, this.p, { training: this.training, name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ p: this.p });
  }
}

/** Sets whole channels of [N, C, H, W] to zero with probability p while training (see `ops.dropout2d`). */
export class Dropout2d extends Module {
  /** The probability of being set to zero. */
  readonly p: number;
  /**
   * Dropout of channels.
   * @param p the probability, in [0, 1); default 0.5
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(p = 0.5, options?: Readonly<Record<string, never>>) {
    super();
    checkOptions('Dropout2d', options, []);
    this.p = checkProbability('Dropout2d', p);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return dropout2d(x, this.p, { training: this.training, name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ p: this.p });
  }
}
