/** The fraction of images whose class has the largest output. */

import { StridenetError } from '../errors';
import { countCorrect } from '../ops/softmax';
import type { Metric } from './metric';

/** The fraction of images whose largest output is that of their class; targets are class numbers. */
export function accuracy(): Metric {
  return {
    name: 'accuracy',
    measure(output, target) {
      if (target.dtype === 'int32') return countCorrect(output, target);
      throw new StridenetError('ERR_INVALID_ARGUMENT', 'Accuracy compares classes: pass metrics: [] with a loss of values.');
    },
    value: ([correct], examples) => correct!.values[0]! / examples,
  };
}
