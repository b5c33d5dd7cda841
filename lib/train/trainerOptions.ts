/** What a Trainer is made with. */

import type { Shape } from '../graph/types';
import type { Loss } from '../nn/loss';
import type { Optimizer } from '../optim/optimizer';
import { CLIPPING_OPTIONS, type ClippingOptions } from './clipping';
import type { MetricEntry } from '../metrics/list';
import type { TargetForm } from './target';
import { READING_OPTIONS, type ReadingOptions } from './images';
import { EXECUTION_OPTIONS, type ExecutionOptions } from './programs';
import type { EmaOptions } from './weightAverage';

/** Options of `Trainer`. */
export interface TrainerOptions extends ExecutionOptions, ReadingOptions, ClippingOptions {
  /** Such as `optim.sgd({ lr: 0.1 })`. */
  optimizer: Optimizer;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss | undefined;
  /** [channels, height, width] of one image, such as [1, 28, 28], whatever the layout. */
  input: Shape;
  /** Largest number of images of a step. */
  batchSize: number;
  /** What the model should give: classes, or values of which each image has `targetShape` or the shape of the output. Default: what the loss takes. */
  targets?: TargetForm['kind'] | undefined;
  /** Of one image: [H, W] for a class of each pixel. Default []: one class, or values of the output's shape. */
  targetShape?: Shape | undefined;
  /** Default ['accuracy'] where targets are classes, else []. */
  metrics?: readonly MetricEntry[] | undefined;
  /** So many steps add up their gradients, of which the mean makes one update; the batch norms of each step are its own. Default 1. */
  accumulate?: number | undefined;
  /** Keep an exponential moving average of the weights, which `evaluate` and the validation of `fit` measure and which `fit` leaves in the model. */
  ema?: EmaOptions | undefined;
  /** For dropout and for shuffling by `fit`; kept in checkpoints. Default: drawn from `manualSeed`. */
  seed?: number | undefined;
}

export const TRAINER_OPTIONS = [
  ...['optimizer', 'loss', 'input', 'batchSize', 'targets', 'targetShape', 'metrics', 'accumulate', 'ema', 'seed'],
  ...CLIPPING_OPTIONS,
  ...READING_OPTIONS,
  ...EXECUTION_OPTIONS,
];

/** What a function of the package says of a trainer of its own. */
export interface Ownership {
  /** The function, which errors name. */
  readonly owner: string;
  /** Whether steps measure nothing but the loss: their targets are no classes any more. Default false. */
  readonly measuresLossAlone?: boolean;
  /** Whether the examples of its steps have weights. Default false. */
  readonly weighted?: boolean;
}

const ownerships = new WeakMap<TrainerOptions, Ownership>();

/** @internal Options for a trainer that works for a function of the package. */
export function optionsOf(ownership: Ownership, options: TrainerOptions): TrainerOptions {
  ownerships.set(options, ownership);
  return options;
}

/** Who the trainer works for. */
export function ownershipOf(options: TrainerOptions): Ownership {
  return ownerships.get(options) ?? { owner: 'Trainer' };
}
