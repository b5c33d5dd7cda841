/** What the model builders share: strict options, initialisation rules, layers under names of their own. */

import { checkInteger, checkNumber, checkOptions, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { Conv2d, Linear, Module } from '../nn';
import { zeros, type InitRule } from '../nn/init';

/** Options of every classifier. */
export interface ClassifierOptions {
  /** Number of outputs; default 1000. */
  classes?: number | undefined;
  /** Channels of the images; default 3. */
  inChannels?: number | undefined;
}

/** Options of models with dropout before their classifier. */
export interface DropoutOptions {
  /** Probability with which a number is dropped in training. */
  dropout?: number | undefined;
}

/**
 * The given options over the defaults, whose keys are the options that exist.
 * @throws StridenetError ERR_UNKNOWN_OPTION, ERR_INVALID_ARGUMENT
 */
export function readOptions<O extends ClassifierOptions>(where: string, options: O, defaults: Required<O>): Required<O> {
  checkOptions(where, options, Object.keys(defaults));
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const read: Required<O> = { ...defaults, ...(Object.fromEntries(given) as Partial<Required<O>>) };
  checkInteger(where, 'classes', read.classes, 1);
  checkInteger(where, 'inChannels', read.inChannels, 1);
  for (const [name, value] of Object.entries(read)) if (name.startsWith('dropout')) checkNumber(where, name, value, 0, 1);
  return read;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `value` is one of `choices` */
export function checkChoice(where: string, name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${name} to be one of ${choices.join(', ')} but got ${formatValue(value)}.`,
  );
}

/** How a model starts; what is absent keeps the layer's own rule. */
export interface InitRules {
  readonly conv?: InitRule;
  readonly linear?: InitRule;
  readonly convBias?: InitRule;
  readonly linearBias?: InitRule;
}

/** Applies the rules to all convolutions and linear layers. Batch normalisation starts at weight 1 and bias 0 by itself. */
export function initialize<M extends Module>(model: M, { conv, linear, convBias, linearBias }: InitRules): M {
  return model.apply((module) => {
    if (module instanceof Conv2d) {
      conv?.(module.weight);
      if (module.bias) convBias?.(module.bias);
    } else if (module instanceof Linear) {
      linear?.(module.weight);
      if (module.bias) linearBias?.(module.bias);
    }
  });
}

export const zeroBias: InitRule = (bias) => zeros(bias);

/** Layers one after the other, named as the keys of `layers`: PyTorch's Sequential of an OrderedDict. */
export class NamedSequential extends Module {
  constructor(layers: Readonly<Record<string, Module>>) {
    super();
    Object.assign(this, layers);
  }

  forward(x: Tensor): Tensor {
    return this.children().reduce((y, layer) => layer.forward(y), x);
  }
}
