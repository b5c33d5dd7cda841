/** Averages of a model's weights, as torch.optim.swa_utils.AveragedModel keeps them: over updates, exponentially, or over the last epochs. */

import { checkInteger, checkNumber, checkOptions, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Module } from '../nn/module';
import type { Variable } from '../nn/parameter';
import { mul, sub } from '../ops/elementwise';
import type { Graph } from '../graph/graph';
import { scalarFeed } from '../graph/leaves';
import type { RunProgram } from './programs';
import { markValue } from './trainingGraph';
import { WeightCopies } from './weightCopies';

/** Options of `ema`. */
export interface EmaOptions {
  /** What the average keeps of itself at an update, in [0, 1); default 0.999. The first update copies the weights. */
  decay?: number | undefined;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
export function checkEma(where: string, ema: unknown): Required<EmaOptions> {
  checkOptions(`${where} ema`, ema, ['decay']);
  const decay = checkNumber(where, 'ema.decay', (ema as EmaOptions).decay ?? 0.999, 0, 1);
  if (decay < 1) return { decay };
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ema.decay to be below 1 but got 1, with which the average would stay as it begins.`,
  );
}

/** What checkpoints call the slots of the moving average. */
export const AVERAGE = 'average';

/** The exponential moving average (Polyak and Juditsky, 1992). */
export class WeightAverage {
  /** Updates of the weights that the average has followed. */
  updates = 0;
  private readonly weights: WeightCopies;

  /** @param lastApplied a scalar that holds the mark of the last step that was applied */
  constructor(
    model: Module,
    readonly options: Required<EmaOptions>,
    private readonly lastApplied: Variable,
  ) {
    this.weights = new WeightCopies(AVERAGE, model, 'parameters');
  }

  /** The averages, once there are some. */
  get copies(): WeightCopies | undefined {
    return this.updates > 0 ? this.weights : undefined;
  }

  /** The averages by the parameters that they stand in for, once there are some. */
  get standIns(): ReadonlyMap<Tensor, Tensor> | undefined {
    return this.copies?.standIns;
  }

  /** average = decay average + (1 - decay) weight behind step number `step`, unless that was not applied. */
  async follow(run: RunProgram, step: number): Promise<void> {
    const decay = this.updates === 0 ? 0 : this.options.decay;
    this.updates++;
    const build = (): Graph => {
      const mark = scalarFeed('mark');
      // Marks differ by so much that the product is infinite when another step was the last.
      const guard = mul(sub(this.lastApplied, mark), 3e38);
      return this.weights.averaging(decay, { guard, feeds: [mark] });
    };
    await run(`average ${decay}`, build, { mark: markValue(step) });
  }
}

/** Options of `swa`. */
export interface SwaOptions {
  /** The first epoch that is averaged, from 1 on, or below 1 the share of the epochs before it; default 0.75. */
  start?: number | undefined;
  /** The learning rate from there on, which goes before the schedule. Default: the schedule's. */
  lr?: number | undefined;
}

export const DEFAULT_SWA_START = 0.75;

/** `swa` of a fit. */
export interface SwaPlan {
  readonly firstEpoch: number;
  readonly lr: number | undefined;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
export function checkSwa(where: string, swa: unknown, epochs: number): SwaPlan {
  checkOptions(`${where} swa`, swa, ['start', 'lr']);
  const { start = DEFAULT_SWA_START, lr } = swa as SwaOptions;
  checkNumber(where, 'swa.start', start, 0);
  if (lr !== undefined) checkNumber(where, 'swa.lr', lr, 0);
  const firstEpoch = start < 1 ? Math.floor(start * epochs) + 1 : checkInteger(where, 'swa.start', start, 1);
  if (firstEpoch > epochs) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects swa.start to be one of its ${epochs} epochs, or a share of them, but got ${start}.`,
    );
  }
  return { firstEpoch, lr };
}

/** The mean of the weights behind several epochs (stochastic weight averaging, Izmailov et al. 2018). */
export class EpochAverage {
  /** Epochs that are part of it. */
  epochs = 0;
  private readonly weights: WeightCopies;

  constructor(model: Module) {
    this.weights = new WeightCopies('swa', model, 'parameters');
  }

  /** The mean, once there is one. */
  get copies(): WeightCopies | undefined {
    return this.epochs > 0 ? this.weights : undefined;
  }

  /** Takes the weights up as they are. */
  async add(run: RunProgram): Promise<void> {
    const before = this.epochs++;
    await run(`swa ${before}`, () => this.weights.averaging(before / (before + 1)));
  }
}
