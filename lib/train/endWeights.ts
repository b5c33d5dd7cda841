/** Weights that a model may end with instead of those behind its last step: averages of them, and the best so far. */

import type { Tensor } from '../graph/tensor';
import type { Module } from '../nn/module';
import type { Variable } from '../nn/parameter';
import { slotName } from '../optim/optimizer';
import { holdsSlot, type Checkpoint, type CheckpointState } from './checkpoint';
import type { RunProgram } from './programs';
import { EpochAverage, WeightAverage, type EmaOptions } from './weightAverage';
import { WeightCopies } from './weightCopies';

export class EndWeights {
  private readonly average: WeightAverage | undefined;
  private readonly epochAverage: EpochAverage;
  private readonly best: WeightCopies;
  private hasBest = false;
  /** Whether the model has the weights that it is to end with. */
  private tookFinal = false;

  /** @param lastApplied a scalar that holds the mark of the last step that was applied @param ema default: no moving average */
  constructor(
    model: Module,
    private readonly run: RunProgram,
    lastApplied: Variable,
    ema: Required<EmaOptions> | undefined,
  ) {
    this.average = ema && new WeightAverage(model, ema, lastApplied);
    this.epochAverage = new EpochAverage(model);
    this.best = new WeightCopies('best', model, 'all');
  }

  /** Options of the moving average, if there is one. */
  get ema(): Required<EmaOptions> | undefined {
    return this.average?.options;
  }

  /** Averages by the parameters that they stand in for while the model is measured, if there are some. */
  get standIns(): ReadonlyMap<Tensor, Tensor> | undefined {
    return this.average?.standIns;
  }

  /** The moving average takes up the weights behind an update, which step number `step` made if it is applied. */
  async follow(step: number): Promise<void> {
    await this.average?.follow(this.run, step);
  }

  /** Keeps what the model is measured with. */
  async keepBest(): Promise<void> {
    const { standIns } = this;
    this.hasBest = true;
    await this.run(`keep best${standIns ? ' of averages' : ''}`, () => this.best.averaging(0, { standIns }));
  }

  /** Puts the weights of the last `keepBest` back, if there are some. */
  async restoreBest(): Promise<void> {
    if (!this.hasBest) return;
    this.tookFinal = true;
    await this.run('restore best', () => this.best.puttingBack);
  }

  /** The model takes the moving averages, if there are some. */
  async useAverage(): Promise<void> {
    const copies = this.average?.copies;
    if (copies) await this.run('use average', () => copies.puttingBack);
  }

  /** Takes the weights up into the mean over epochs. */
  async averageEpoch(): Promise<void> {
    await this.epochAverage.add(this.run);
  }

  /** The model takes the mean over epochs. @returns whether there is one */
  async useEpochAverage(): Promise<boolean> {
    const { copies } = this.epochAverage;
    if (copies) await this.run('use swa', () => copies.puttingBack);
    return copies !== undefined;
  }

  /** What the model ends with: its moving averages, unless the best weights were put back. */
  async finish(): Promise<void> {
    if (!this.tookFinal) await this.useAverage();
  }

  /** For a checkpoint. */
  get state(): Pick<CheckpointState, 'averaged' | 'averagedEpochs'> {
    return { averaged: this.average?.updates, averagedEpochs: this.epochAverage.epochs };
  }

  /** The copies that there are, by their names in a checkpoint. */
  slots(): [string, Variable][] {
    const kept = [this.average?.copies, this.epochAverage.copies, this.hasBest ? this.best : undefined];
    return kept.flatMap((copies) =>
      (copies?.pairs ?? []).map(({ name, copy }): [string, Variable] => [slotName(copies!.slot, name), copy]),
    );
  }

  /** Expects the copies that a checkpoint has; their values are put into `slots`. */
  resume(checkpoint: Checkpoint): void {
    const { averaged = 0, averagedEpochs = 0 } = checkpoint.state;
    this.hasBest = holdsSlot(checkpoint, this.best.slot);
    if (this.average) this.average.updates = averaged;
    this.epochAverage.epochs = averagedEpochs;
  }
}
