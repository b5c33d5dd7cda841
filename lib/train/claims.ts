/** Who is training which variables: two that do so at a time would lose each other's updates. */

import { StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';

interface Claim {
  readonly owner: object;
  count: number;
}

const claims = new WeakMap<Tensor, Claim>();

/**
 * Claims `variables` for `owner`, which may claim them again, until what this returns is called.
 * @throws StridenetError ERR_BUSY when another owner has one of them; then nothing is claimed
 */
export function claim(where: string, variables: readonly Tensor[], owner: object): () => void {
  const taken = variables.find((variable) => (claims.get(variable)?.owner ?? owner) !== owner);
  if (taken) {
    throw new StridenetError(
      'ERR_BUSY',
      `${where} cannot change ${taken.name || 'a variable'} of the model while another fit, or steps of another Trainer, do. Await them first` +
        ', or make all steps with one Trainer; callbacks of fit get theirs as context.trainer.',
    );
  }
  for (const variable of variables) {
    const known = claims.get(variable);
    if (known) known.count++;
    else claims.set(variable, { owner, count: 1 });
  }
  return () => {
    for (const variable of variables) {
      const known = claims.get(variable)!;
      if (--known.count === 0) claims.delete(variable);
    }
  };
}
