/** Copies of a model's variables, which programs make and put back: in native memory, off the event loop, between two steps. */

import { scalar } from '../graph/leaves';
import type { Graph } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import type { Module } from '../nn/module';
import { Parameter, Variable } from '../nn/parameter';
import { replacement, runningAverage } from '../ops/update';

export class WeightCopies {
  private readonly copies = new Map<Tensor, Variable>();

  /**
   * @param slot what checkpoints call the copies
   * @param which all variables, those of running statistics included, or parameters alone
   */
  constructor(
    readonly slot: string,
    private readonly model: Module,
    private readonly which: 'all' | 'parameters',
  ) {}

  /** The variables of the model, each with its copy, by name. Copies are made when they are first asked for. */
  get pairs(): readonly { readonly name: string; readonly own: Variable; readonly copy: Variable }[] {
    return [...this.model.stateDict()].flatMap(([name, own]) => {
      if (!(own instanceof Variable) || (this.which === 'parameters' && !(own instanceof Parameter))) return [];
      return [{ name, own, copy: this.copyOf(own) }];
    });
  }

  /** Copies by what they stand in for. */
  get standIns(): ReadonlyMap<Tensor, Tensor> {
    return new Map(this.pairs.map(({ own, copy }) => [own, copy]));
  }

  /**
   * copy = decay copy + (1 - decay) own, unless `guard` is not finite.
   * @param options `standIns`: variables to take in place of the model's own; `guard`, with the `feeds` that it is computed from
   */
  averaging(
    decay: number,
    { standIns, guard = scalar(1), feeds = [] }: { standIns?: ReadonlyMap<Tensor, Tensor>; guard?: Tensor; feeds?: readonly Tensor[] } = {},
  ): Graph {
    const updates = this.pairs.map(({ own, copy }) => {
      // What does not train is copied: the mean of equal numbers need not be that number.
      const kept = own instanceof Parameter && !own.requiresGrad ? 0 : decay;
      return runningAverage(copy, standIns?.get(own) ?? own, guard, { decay: kept, gain: 1 - kept });
    });
    return { feeds, outputs: [], updates };
  }

  /** The model takes the copies. */
  get puttingBack(): Graph {
    return { feeds: [], outputs: [], updates: this.pairs.map(({ own, copy }) => replacement(own, copy, scalar(1))) };
  }

  private copyOf(own: Variable): Variable {
    let copy = this.copies.get(own);
    if (!copy) this.copies.set(own, (copy = new Variable(own.shape)));
    return copy;
  }
}
