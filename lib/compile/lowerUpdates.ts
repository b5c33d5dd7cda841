/** How the updates of a graph become instructions: they come last, and write variables in place. */

import type { Update } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import type { RunningAverageAttrs, SgdAttrs } from '../ops/update';
import { baseOf } from './buffers';
import type { Buffer } from './ir';
import type { Lowering } from './lowering';

/** Updates: a parameter's step and its velocity's become one in-place instruction. All of them see variables as they were before the step. */
export function lowerUpdates(l: Lowering, updates: readonly Update[]): void {
  const variableOf = new Map(updates.map(({ variable, value }) => [value, variable]));
  const before = new Map<Tensor, Buffer>();
  for (const { value } of updates) {
    const source = value.op === 'runningAverage' ? l.bufferOf(value.inputs[1]!) : undefined;
    // The value of a variable itself, which may be changed first.
    if (source && baseOf(source).place.space === 'state') before.set(value, l.copy(source));
  }
  for (const { variable, value } of updates) {
    if (value.op === 'sgdVelocity') continue; // with its parameter
    if (value.op === 'runningAverage' && value.inputs[0] === variable) {
      const [, moving, guard] = value.inputs;
      const { decay, gain } = value.attrs as unknown as RunningAverageAttrs;
      l.emit(
        'running_average',
        [before.get(value) ?? l.bufferOf(moving!), l.bufferOf(guard!)],
        [l.bufferOf(variable)],
        { decay, gain },
        value.name,
      );
      continue;
    }
    if (value.op !== 'sgdParam' || value.inputs[0] !== variable) throw new Error(`no lowering for an update by ${value.op}`);
    const [, grad, lr, moved] = value.inputs;
    const velocity = moved && variableOf.get(moved);
    if (moved && !velocity) throw new Error(`the velocity of ${variable.name} is not updated by the same graph`);
    const { momentum, weightDecay, nesterov } = value.attrs as unknown as SgdAttrs;
    l.emit(
      'sgd',
      [l.bufferOf(grad!), l.bufferOf(lr!)],
      [l.bufferOf(variable), velocity ? l.bufferOf(velocity) : null],
      { momentum, weight_decay: weightDecay, nesterov: nesterov ? 1 : 0 },
      value.name,
    );
  }
}
