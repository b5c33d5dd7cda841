/** callbacks.lambda: a callback made of functions. */

import { checkCallbacks, type Callback } from '../train/callbacks';

/**
 * A callback made of functions, by event (Keras's LambdaCallback): misspelled events are refused here rather than by `fit`.
 *
 * @param events functions by the name of their event
 * @throws StridenetError ERR_INVALID_ARGUMENT for what is no function, ERR_UNKNOWN_OPTION for an event that there is not
 * @example callbacks.lambda({ onEpochEnd: ({ epoch, valLoss }) => console.log(epoch, valLoss) });
 */
export function lambda(events: Callback): Callback {
  const copy = { ...events };
  checkCallbacks('callbacks.lambda', [typeof events === 'object' && events !== null ? copy : events]);
  return copy;
}
