/** Steps that queue: each is tied to the one before, so that when one is not applied, those behind it are not either. */

import { StridenetError } from '../errors';
import type { FeedValues } from './programs';
import { chainValues } from './trainingGraph';

/** Steps that are tied to each other. The next step after a failure begins another. */
interface Chain {
  /** The last step that was submitted. */
  last?: number;
  /** The first that was not applied, and why. */
  failure?: { readonly step: number; readonly error: unknown };
}

/** One step of a chain. */
export interface ChainedStep {
  readonly number: number;
  /** Feeds of the graph. */
  readonly values: FeedValues;
  /** It was not applied, and why: the first of its chain to say so is the reason for all behind it. @returns whether it is the first */
  fail(error: unknown): boolean;
  /** @throws StridenetError when a step that it was queued behind was not applied, and so neither was this */
  check(): void;
}

export class StepChain {
  private chain: Chain = {};
  private submitted = 0;

  /** @param what a step is called in messages */
  constructor(private readonly what = 'Step') {}

  /** Steps that were begun. */
  get count(): number {
    return this.submitted;
  }

  /** Counts from here on, tied to nothing. */
  startAt(count: number): void {
    this.submitted = count;
    this.chain = {};
  }

  /** The next step. */
  begin(): ChainedStep {
    if (this.chain.failure) this.chain = {};
    const { chain } = this;
    const number = ++this.submitted;
    const values = chainValues(number, chain.last === undefined);
    chain.last = number;
    return {
      number,
      values,
      fail(error) {
        const isFirst = chain.failure === undefined;
        chain.failure ??= { step: number, error };
        return isFirst;
      },
      check: () => this.checkStep(number, chain),
    };
  }

  /** @throws StridenetError when the last step that was begun was not applied: a next one would not be either */
  check(): void {
    this.checkStep(this.submitted + 1, this.chain);
  }

  private checkStep(number: number, { failure }: Chain): void {
    if (!failure) return;
    const { step, error } = failure;
    throw new StridenetError(
      error instanceof StridenetError ? error.code : 'ERR_NOT_FINITE',
      `${this.what} ${number} was not applied, since step ${step}, which it was queued behind, failed: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
