/**
 * Initialisation rules of torch.nn.init. A rule describes the value; the numbers are drawn when the parameter is first used,
 * from the stream of `manualSeed` that was next when the rule was called.
 */

import { checkNumber, checkOptions, formatValue, StridenetError } from '../errors';
import { constantRule, Philox, type FillRule } from '../random';
import { calculateFans } from './fans';
import { Variable, type Parameter } from './parameter';

/** The number of connections that a standard deviation is derived from: those into or out of a neuron. */
export type FanMode = 'fanIn' | 'fanOut';
/** What follows a layer, for the gain of its weights. */
export type Nonlinearity = 'linear' | 'conv2d' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';

/** Options of `nn.init.xavierUniform` and `nn.init.xavierNormal`. */
export interface XavierOptions {
  /** Factor on the standard deviation, see `calculateGain`. Default 1. */
  gain?: number | undefined;
}

/** Options of `nn.init.kaimingUniform` and `nn.init.kaimingNormal`. */
export interface KaimingOptions {
  /** Negative slope of the leaky ReLU that follows. Default 0. */
  a?: number | undefined;
  /** Keep the variance of the forward pass ('fanIn', default) or of the gradient ('fanOut'). */
  mode?: FanMode | undefined;
  /** Default 'leakyRelu'. */
  nonlinearity?: Nonlinearity | undefined;
}

/** Options of `nn.init.uniform`. */
export interface UniformOptions {
  /** Lower bound; default 0. */
  a?: number | undefined;
  /** Upper bound, not reached; default 1. */
  b?: number | undefined;
}

/** Options of `nn.init.normal`. */
export interface NormalOptions {
  /** Default 0. */
  mean?: number | undefined;
  /** Standard deviation; default 1. */
  std?: number | undefined;
}

/** Uniform in [a, b). Default [0, 1). */
export function uniform<P extends Variable>(parameter: P, options: UniformOptions = {}): P {
  checkOptions('init.uniform', options, ['a', 'b']);
  const { a = 0, b = 1 } = options;
  checkNumber('init.uniform', 'a', a);
  checkNumber('init.uniform', 'b', b, a);
  checkNumber('init.uniform', 'b - a', b - a);
  return draw('init.uniform', parameter, (random) => random.uniformRule(a, b));
}

/** Normally distributed. Default mean 0, std 1. */
export function normal<P extends Variable>(parameter: P, options: NormalOptions = {}): P {
  checkOptions('init.normal', options, ['mean', 'std']);
  const { mean = 0, std = 1 } = options;
  checkNumber('init.normal', 'mean', mean);
  checkNumber('init.normal', 'std', std, 0);
  return draw('init.normal', parameter, (random) => random.normalRule(mean, std));
}

/** Every number is `value`. */
export function constant<P extends Variable>(parameter: P, value: number): P {
  checkNumber('init.constant', 'value', value);
  return set('init.constant', parameter, constantRule(value));
}

/** All zeros. */
export function zeros<P extends Variable>(parameter: P): P {
  return set('init.zeros', parameter, constantRule(0));
}

/** All ones. */
export function ones<P extends Variable>(parameter: P): P {
  return set('init.ones', parameter, constantRule(1));
}

/** Uniform in +-gain sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio, 2010). */
export function xavierUniform<P extends Variable>(parameter: P, options: XavierOptions = {}): P {
  const bound = Math.sqrt(3) * xavierStd('init.xavierUniform', parameter, options);
  return draw('init.xavierUniform', parameter, (random) => random.uniformRule(-bound, bound));
}

/** Normal with standard deviation gain sqrt(2 / (fanIn + fanOut)). */
export function xavierNormal<P extends Variable>(parameter: P, options: XavierOptions = {}): P {
  const std = xavierStd('init.xavierNormal', parameter, options);
  return draw('init.xavierNormal', parameter, (random) => random.normalRule(0, std));
}

/** Uniform in +-gain sqrt(3 / fan) (He et al., 2015). */
export function kaimingUniform<P extends Variable>(parameter: P, options: KaimingOptions = {}): P {
  const bound = Math.sqrt(3) * kaimingStd('init.kaimingUniform', parameter, options);
  return draw('init.kaimingUniform', parameter, (random) => random.uniformRule(-bound, bound));
}

/** Normal with standard deviation gain / sqrt(fan). */
export function kaimingNormal<P extends Variable>(parameter: P, options: KaimingOptions = {}): P {
  const std = kaimingStd('init.kaimingNormal', parameter, options);
  return draw('init.kaimingNormal', parameter, (random) => random.normalRule(0, std));
}

/**
 * The factor by which a nonlinearity's input should be scaled to keep the variance, as torch.nn.init.calculate_gain has it.
 * @param a negative slope, for 'leakyRelu' only; default 0.01
 */
export function calculateGain(nonlinearity: Nonlinearity, a = 0.01): number {
  checkNumber('init.calculateGain', 'a', a);
  switch (nonlinearity) {
    case 'linear':
    case 'conv2d':
    case 'sigmoid':
      return 1;
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.SQRT2;
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + a * a));
    case 'selu':
      return 3 / 4;
    default:
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `nn.init expects nonlinearity to be one of linear, conv2d, sigmoid, tanh, relu, leakyRelu, selu but got ${formatValue(nonlinearity)}.`,
      );
  }
}

function xavierStd(where: string, parameter: Variable, options: XavierOptions): number {
  checkOptions(where, options, ['gain']);
  checkVariable(where, parameter);
  const gain = checkNumber(where, 'gain', options.gain ?? 1);
  const { fanIn, fanOut } = calculateFans(where, parameter.shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

function kaimingStd(where: string, parameter: Variable, options: KaimingOptions): number {
  checkOptions(where, options, ['a', 'mode', 'nonlinearity']);
  checkVariable(where, parameter);
  const { mode = 'fanIn', nonlinearity = 'leakyRelu' } = options;
  const a = checkNumber(where, 'a', options.a ?? 0);
  const fans = calculateFans(where, parameter.shape);
  if (mode !== 'fanIn' && mode !== 'fanOut') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects mode to be "fanIn" or "fanOut" but got ${formatValue(mode)}.`);
  }
  return calculateGain(nonlinearity, a) / Math.sqrt(fans[mode]);
}

function checkVariable(where: string, parameter: unknown): asserts parameter is Variable {
  if (parameter instanceof Variable) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects a Parameter, such as layer.weight, but got ${formatValue(parameter)}.`,
  );
}

function set<P extends Variable>(where: string, parameter: P, rule: FillRule): P {
  checkVariable(where, parameter);
  parameter.storage.initialize(rule);
  return parameter;
}

function draw<P extends Variable>(where: string, parameter: P, rule: (random: Philox) => FillRule): P {
  return set(where, parameter, rule(Philox.next()));
}

/** A rule that can be called with a weight alone, as model options take it. */
export type InitRule = (weight: Parameter) => unknown;
