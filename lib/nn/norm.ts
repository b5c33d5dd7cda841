/** Normalisation layers. */

import { checkBoolean, checkInteger, checkNumber, checkOptions, formatValue, StridenetError } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { describe } from '../ops/builder';
import { add, div } from '../ops/elementwise';
import { batchNorm2d } from '../ops/batchNorm';
import { localResponseNorm, responseNormAttrs } from '../ops/responseNorm';
import { countStep } from '../ops/update';
import { constantRule } from '../random';
import { isFrozen, Module } from './module';
import { Parameter, Variable } from './parameter';

/** Options of `nn.BatchNorm2d`. */
export interface BatchNorm2dLayerOptions {
  /** Added to the variance; default 1e-5. */
  eps?: number | undefined;
  /** How far a training step moves the running statistics; default 0.1. With null they are the plain mean over all steps so far. */
  momentum?: number | null | undefined;
  /** Learn a scale (`weight`) and a shift (`bias`) per channel; default true. */
  affine?: boolean | undefined;
  /** Keep running statistics for evaluation; default true. Without them evaluation normalises by its batch, too. */
  trackRunningStats?: boolean | undefined;
}

/**
 * Normalises each channel of [N, numFeatures, H, W] (see `ops.batchNorm2d`): in training by the batch's statistics, in evaluation and while
 * its parameters are frozen by running ones, which then stay as they are. `weight` starts as ones, `bias` as zeros, `running_mean` as zeros, `running_var` as ones.
 *
 * The running statistics and `num_batches_tracked` move in the steps of `fit` and `Trainer` whose loss is finite, and only there:
 * a forward pass of one's own in training mode builds nodes, which change no variable when they are evaluated.
 */
export class BatchNorm2d extends Module {
  /** The learned scale, [numFeatures]; absent with `affine: false`. */
  readonly weight?: Parameter;
  /** The learned shift, [numFeatures]; absent with `affine: false`. */
  readonly bias?: Parameter;
  /** Means for evaluation, [numFeatures]; absent with `trackRunningStats: false`. */
  readonly running_mean?: Variable;
  /** Variances for evaluation, [numFeatures]; absent with `trackRunningStats: false`. */
  readonly running_var?: Variable;
  /** Steps that moved the statistics; an integer, int64 in PyTorch's files. */
  readonly num_batches_tracked?: Variable;
  /** Added to the variance. */
  readonly eps: number;
  /** How far a step moves the running statistics; null for the mean over all steps. */
  readonly momentum: number | null;
  /** Whether a scale and a shift are learned. */
  readonly affine: boolean;
  /** Whether there are running statistics. */
  readonly trackRunningStats: boolean;
  /**
   * Batch normalisation.
   * @param numFeatures channels of the input
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(
    /** Channels of the input. */
    readonly numFeatures: number,
    options: BatchNorm2dLayerOptions = {},
  ) {
    super();
    checkOptions('BatchNorm2d', options, ['eps', 'momentum', 'affine', 'trackRunningStats']);
    checkInteger('BatchNorm2d', 'numFeatures', numFeatures, 1);
    this.eps = checkNumber('BatchNorm2d', 'eps', options.eps ?? 1e-5, 0);
    this.momentum = options.momentum === null ? null : checkNumber('BatchNorm2d', 'momentum', options.momentum ?? 0.1, 0, 1);
    this.affine = checkBoolean('BatchNorm2d', 'affine', options.affine ?? true);
    this.trackRunningStats = checkBoolean('BatchNorm2d', 'trackRunningStats', options.trackRunningStats ?? true);
    if (this.affine) {
      this.weight = new Parameter([numFeatures]);
      this.weight.storage.initialize(constantRule(1));
      this.bias = new Parameter([numFeatures]);
    }
    if (this.trackRunningStats) {
      this.running_mean = new Variable([numFeatures]);
      this.running_var = new Variable([numFeatures]);
      this.running_var.storage.initialize(constantRule(1));
      this.num_batches_tracked = new Variable([]);
      this.num_batches_tracked.storage.isInteger = true;
    }
  }

  /** @throws StridenetError ERR_INVALID_ARGUMENT for running statistics that are not finite or a negative variance, in evaluation */
  forward(x: Tensor): Tensor<'float32'> {
    const { weight, bias, running_mean: runningMean, running_var: runningVar, num_batches_tracked: steps, eps, path: name } = this;
    const training = (this.training && !isFrozen(this)) || !this.trackRunningStats;
    if (!training) this.checkStatistics();
    const momentum = this.momentum ?? (training && steps ? div(1, add(steps, 1)) : undefined);
    const y = batchNorm2d(x, { runningMean, runningVar, weight, bias, training, momentum, eps, name });
    if (training && steps) countStep(steps);
    return y;
  }

  override extraRepr(): string {
    const { numFeatures, eps, momentum, affine, trackRunningStats } = this;
    return `${numFeatures}, ${formatFields({ eps, momentum, affine, trackRunningStats })}`;
  }

  private checkStatistics(): void {
    for (const [name, variable] of Object.entries({ running_mean: this.running_mean!, running_var: this.running_var! })) {
      const values = variable.storage.value();
      const bad = values.findIndex((v) => !Number.isFinite(v) || (v < 0 && name === 'running_var'));
      if (bad < 0) continue;
      const wanted = name === 'running_var' ? 'finite numbers of at least 0' : 'finite numbers';
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${describe('batchNorm2d', this.path)} expects ${wanted} in ${name} but entry ${bad} is ${formatValue(values[bad])}. ` +
          'Load weights that were saved before training went wrong.',
      );
    }
  }
}

/** Options of `nn.LocalResponseNorm`. */
export interface LocalResponseNormLayerOptions {
  /** Default 1e-4. */
  alpha?: number | undefined;
  /** Default 0.75. */
  beta?: number | undefined;
  /** Default 1. */
  k?: number | undefined;
}

/** Divides each value of [N, C, H, W] by a power of the mean square of `size` channels around it (see `ops.localResponseNorm`). */
export class LocalResponseNorm extends Module {
  /** Factor on the mean square. */
  readonly alpha: number;
  /** The exponent. */
  readonly beta: number;
  /** Added before the power is taken. */
  readonly k: number;
  /**
   * Local response normalisation.
   * @param size channels around each that count
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(
    /** Channels around each that count. */
    readonly size: number,
    options: LocalResponseNormLayerOptions = {},
  ) {
    super();
    checkOptions('LocalResponseNorm', options, ['alpha', 'beta', 'k']);
    responseNormAttrs('LocalResponseNorm', { size, ...options });
    this.alpha = options.alpha ?? 1e-4;
    this.beta = options.beta ?? 0.75;
    this.k = options.k ?? 1;
  }

  forward(x: Tensor): Tensor<'float32'> {
    const { size, alpha, beta, k, path } = this;
    return localResponseNorm(x, { size, alpha, beta, k, name: path });
  }

  override extraRepr(): string {
    const { size, alpha, beta, k } = this;
    return `${size}, ${formatFields({ alpha, beta, k })}`;
  }
}
