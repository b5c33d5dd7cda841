/** The exponential moving average of a model's weights (Polyak and Juditsky, 1992), as torch.optim.swa_utils.AveragedModel keeps it. */

import { checkNumber, checkOptions } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Module } from '../nn/module';
import type { Variable } from '../nn/parameter';
import { mul, sub } from '../ops/elementwise';
import { scalarFeed } from '../graph/leaves';
import type { Programs } from './programs';
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
  return { decay: checkNumber(where, 'ema.decay', (ema as EmaOptions).decay ?? 0.999, 0, 1) };
}

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
    this.weights = new WeightCopies('average', model, 'parameters');
  }

  /** The averages, once there are some. */
  get copies(): WeightCopies | undefined {
    return this.updates > 0 ? this.weights : undefined;
  }

  /** The averages by the parameters that they stand in for, once there are some. */
  get standIns(): ReadonlyMap<Tensor, Tensor> | undefined {
    return this.copies?.standIns;
  }

  /** Takes up the averages of a checkpoint that followed so many updates. */
  resume(updates: number): void {
    this.updates = updates;
  }

  /** average = decay average + (1 - decay) weight behind step number `step`, unless that was not applied. @param form of the model */
  async follow(programs: Programs, form: string, step: number): Promise<void> {
    const decay = this.updates === 0 ? 0 : this.options.decay;
    this.updates++;
    await programs.run(
      `average ${decay} ${form}`,
      () => {
        const mark = scalarFeed('mark');
        // Marks differ by so much that the product is infinite when another step was the last.
        const guard = mul(sub(this.lastApplied, mark), 3e38);
        return this.weights.averaging(decay, { guard, feeds: [mark] });
      },
      () => ({ mark: markValue(step) }),
    );
  }
}
