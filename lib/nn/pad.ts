/** Padding layers. */

import { checkOptions } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { checkPadAmount, pad2d, type PadAmount, type PadMode } from '../ops/pad';
import { Module } from './module';

abstract class Pad2d extends Module {
  /** As it was given. */
  readonly padding: PadAmount;
  protected abstract readonly mode: PadMode;
  /**
   * A layer of padding.
   * @param padding `n`, `[h, w]` or `[[top, bottom], [left, right]]`
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(padding: PadAmount, options?: Readonly<Record<string, never>>) {
    super();
    checkOptions(new.target.name, options, []);
    checkPadAmount(new.target.name, padding);
    this.padding = padding;
  }

  forward(x: Tensor): Tensor<'float32'> {
    return pad2d(x, this.padding, { mode: this.mode, name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ padding: this.padding });
  }
}

/** Zeros around [N, C, H, W] (see `ops.pad2d`). */
export class ZeroPad2d extends Pad2d {
  protected readonly mode = 'constant';
}

/** [N, C, H, W] mirrored at its outermost pixels (see `ops.pad2d`). */
export class ReflectionPad2d extends Pad2d {
  protected readonly mode = 'reflect';
}

/** The outermost pixels of [N, C, H, W] repeated (see `ops.pad2d`). */
export class ReplicationPad2d extends Pad2d {
  protected readonly mode = 'replicate';
}
