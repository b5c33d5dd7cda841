/** compileStep: a training step of one's own, for what is not model(images) -> loss(labels), as one native program. */

import { types } from 'node:util';
import { checkFunction, checkInteger, checkNumber, checkOptions, formatNames, formatShape, formatValue, StridenetError } from '../errors';
import type { Graph } from '../graph/graph';
import { INSPECT, formatFields, className, printed, styleOf, type InspectOptions } from '../graph/inspect';
import { constantTensor } from '../graph/leaves';
import { Tensor } from '../graph/tensor';
import { dtypeOf, type TypedArray } from '../graph/types';
import { takeOver } from '../nn/loadStateDict';
import { Module } from '../nn/module';
import { Variable, type Parameter } from '../nn/parameter';
import { randomStepValue } from '../ops/dropout';
import { checkGroups, checkOptimizer, slotName, type Optimizer } from '../optim/optimizer';
import { Philox } from '../random';
import { claim } from './claims';
import { makeKept, type Kept } from './kept';
import { ModelForm } from './modelForm';
import { EXECUTION_OPTIONS, Programs, type ExecutionOptions } from './programs';
import { StepChain, type ChainedStep } from './stepChain';
import {
  checkTrained,
  parametersOf,
  rateFeed,
  stepGraph,
  type BuiltStep,
  type StepGraph,
  type StepIO,
  type StepParts,
  type StepPlan,
  type Trained,
} from './stepGraph';
import { StepInputs, type StepInput, type StepShape, type StepValues } from './stepInputs';

/** Options of `compileStep`. */
export interface CompileStepOptions extends ExecutionOptions {
  /** Each a shape, such as [64, 1, 28, 28] or ['n', 1, 28, 28], or { shape, dtype, scale, mean, std }. */
  inputs: Readonly<Record<string, StepShape | StepInput>>;
  /** The largest number that 'n' in the shapes stands for; each number that comes gets a program of its own. Needed with 'n', else absent. */
  batchSize?: number | undefined;
  /** What a `loss` that the function returns trains; goes with `optimizer`. */
  model?: Trained | undefined;
  /** What minimises a `loss` that the function returns. */
  optimizer?: Optimizer | undefined;
  /** Where dropout masks are drawn from, anew in every step. Default: drawn from `manualSeed`. */
  seed?: number | undefined;
}

const OPTIONS = ['inputs', 'batchSize', 'model', 'optimizer', 'seed', ...EXECUTION_OPTIONS];

/** What a run gives: the loss that the function returns, and its outputs by name. */
export type StepResults<G extends StepGraph> = StepGraph extends G
  ? Readonly<Record<string, number | Tensor>>
  : (G extends { readonly loss: Tensor } ? { loss: number } : unknown) &
      (G extends { readonly outputs: infer Outputs } ? { [Name in keyof Outputs]: number | Tensor } : unknown);

/** What `stateDict` calls seed and step. */
const RANDOM = 'random';
const RATE = 'learningRate/';

/**
 * A training step of one's own: several models and optimizers (a GAN, distillation), several inputs (pairs of images), gradients with respect
 * to inputs. The function builds the graph once for each shape; it is compiled into one native program, which `run` runs off the event loop.
 *
 * All losses and gradients of a step are those before it: the two updates of a GAN step both see the old weights. For one after the other,
 * compile two steps that take turns. A step of which a minimised loss is not finite changes nothing. What is frozen stays as it is, and layers in `eval()` stay so.
 *
 * @param build called now, and again when a run has another number of rows or when a layer was frozen, put to `eval()` or replaced: modules and
 *   optimizers must be made outside of it. Returns `{ updates, outputs }`, or `{ loss }` with a `model` and an `optimizer` in the options.
 * @returns the step. Its results are numbers where outputs have shape [], else Tensors; a type argument says which:
 *   `compileStep<{ loss: number; scores: Tensor }>(...)`
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_SHAPE_MISMATCH for options and a function that do not fit; as the
 *   operations that the function uses; ERR_NATIVE_UNAVAILABLE
 * @example
 * const generator = new nn.Linear(8, 784), discriminator = new nn.Linear(784, 1);
 * const [gOptimizer, dOptimizer] = [optim.adam({ lr: 2e-4 }), optim.adam({ lr: 2e-4 })];
 * const step = compileStep((io) => {
 *   const real = io.call(discriminator, io.input('images'));
 *   const fake = io.call(discriminator, ops.tanh(io.call(generator, io.input('noise'))));
 *   const dLoss = ops.add(ops.bceWithLogits(real, ones([64, 1])), ops.bceWithLogits(fake, zeros([64, 1])));
 *   const gLoss = ops.bceWithLogits(fake, ones([64, 1]));
 *   return {
 *     updates: [io.minimize(dLoss, discriminator, dOptimizer), io.minimize(gLoss, generator, gOptimizer)],
 *     outputs: { dLoss, gLoss },
 *   };
 * }, { inputs: { images: [64, 784], noise: [64, 8] } });
 * const { dLoss, gLoss } = await step.run({ images, noise: randn([64, 8]) });
 */
export function compileStep<G extends StepGraph>(build: (io: StepIO) => G, options: CompileStepOptions): CompiledStep<StepResults<G>>;
export function compileStep<Results extends Readonly<Record<string, number | Tensor>>>(
  build: (io: StepIO) => StepGraph,
  options: CompileStepOptions,
): CompiledStep<Results>;
export function compileStep(build: (io: StepIO) => StepGraph, options: CompileStepOptions): CompiledStep<Record<string, number | Tensor>> {
  return new CompiledStep(build, options);
}

/**
 * What `compileStep` gives. Runs may overlap: they queue in order, and when one fails, those that were queued behind it are not applied
 * either. After `await`, modules have the trained values.
 */
export class CompiledStep<Results> {
  private readonly plan: StepPlan;
  private readonly programs: Programs;
  private readonly kept = new Map<Optimizer, Map<Parameter, Kept>>();
  private readonly rates = new Map<Optimizer, number>();
  private readonly parts: StepParts;
  private readonly forms: readonly ModelForm[];
  private readonly built = new WeakMap<Graph, BuiltStep>();
  /** What was built to find mistakes, until it is compiled. */
  private first: { readonly key: string; readonly graph: Graph } | undefined;
  private readonly chain = new StepChain();
  private completed = 0;
  private drawnFrom: number;

  /** @internal `compileStep` makes it. */
  constructor(build: (io: StepIO) => unknown, options: CompileStepOptions) {
    const where = 'compileStep';
    checkFunction(where, 'build', build);
    checkOptions(where, options ?? null, OPTIONS);
    const { batchSize, model, optimizer, seed } = options;
    const largest = batchSize === undefined ? undefined : checkInteger(where, 'batchSize', batchSize, 1);
    const inputs = new StepInputs(where, options.inputs, largest);
    this.drawnFrom = checkInteger(where, 'seed', seed ?? Philox.next().uint32(), 0);
    this.plan = {
      where,
      build,
      inputs,
      short: shortForm(where, model, optimizer),
      keptOf: (by, parameter) => this.keptOf(by, parameter),
      lastApplied: new Variable([]),
    };
    const step = stepGraph(this.plan, largest);
    this.parts = step;
    this.built.set(step.graph, step);
    for (const each of step.optimizers) {
      const own = step.minimized.filter(({ optimizer: by }) => by === each);
      checkGroups(where, each, parametersOf(own.flatMap(({ trained }) => trained)));
      this.rates.set(each, each.lr);
    }
    this.forms = step.modules.map((module) => new ModelForm(module));
    this.programs = new Programs(where, options);
    this.first = { key: this.key(largest), graph: step.graph };
  }

  /** Steps completed. */
  get steps(): number {
    return this.completed;
  }

  /** Where dropout masks are drawn from. */
  get seed(): number {
    return this.drawnFrom;
  }

  /** The learning rate of an optimizer for the steps to come; at first its own. @throws StridenetError ERR_INVALID_ARGUMENT for another's */
  learningRate(optimizer: Optimizer): number {
    const rate = this.rates.get(optimizer);
    if (rate !== undefined) return rate;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `CompiledStep.learningRate expects one of the optimizers that the step was compiled with (${formatNames([...this.rates.keys()].map(({ name }) => name)) || 'none'}) but got ` +
        `${formatValue(optimizer)}.`,
    );
  }

  /**
   * Sets the learning rate of an optimizer for the runs that are called from now on.
   * @param value at least 0
   * @throws StridenetError ERR_INVALID_ARGUMENT
   */
  setLearningRate(optimizer: Optimizer, value: number): void {
    this.learningRate(optimizer);
    this.rates.set(optimizer, checkNumber('CompiledStep.setLearningRate', 'value', value, 0));
  }

  /**
   * One step. The arrays may be reused when this returns its promise.
   * @param inputs values for every input by name: a Tensor of its shape, or its values one after the other
   * @returns the loss that the function returned, and its outputs: a number for shape [], else a Tensor. Measured before the update.
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH for inputs, before anything runs;
   *   ERR_NOT_FINITE when a minimised loss is NaN or infinite; ERR_BUSY while something else trains one of the models; ERR_CLOSED
   */
  async run(inputs: Readonly<Record<string, StepValues>>): Promise<Results> {
    const where = 'CompiledStep.run';
    const { values, n } = this.plan.inputs.read(where, inputs);
    const rates = [...this.rates.values()].map((rate, i) => [rateFeed(i), Float32Array.of(rate)] as const);
    let chained: ChainedStep | undefined;
    let step: BuiltStep | undefined;
    let release: () => void = () => undefined;
    let found: TypedArray[];
    try {
      const key = this.key(n);
      found = await this.programs.run(
        key,
        () => this.build(key, n),
        (graph) => {
          step = this.built.get(graph)!;
          const changing = graph.updates.flatMap(({ variables }) => variables);
          release = claim(where, changing, this);
          const randomStep = randomStepValue(this.drawnFrom, this.chain.count);
          chained = this.chain.begin();
          return { ...values, ...Object.fromEntries(rates), ...chained.values, randomStep };
        },
      );
    } catch (error) {
      chained?.fail(error);
      throw error;
    } finally {
      release();
    }
    this.completed = chained!.number;
    chained!.check();
    const { graph, losses, results } = step!;
    for (const at of losses) {
      const loss = found[at]![0]!;
      if (Number.isFinite(loss)) continue;
      const name = results.find((result) => result.at === at)?.name;
      const error = new StridenetError(
        'ERR_NOT_FINITE',
        `Step ${this.completed} gave a loss${name === undefined || name === 'loss' ? '' : ` ${formatValue(name)}`} of ${loss}. Lower the learning rate, or ` +
          'check the inputs for NaN and for labels that are no class. The weights are those of before this step.',
      );
      chained!.fail(error);
      throw error;
    }
    const pairs = results.map(({ name, at, isLoss }) => [name, resultOf(graph.outputs[at]!, found[at]!, isLoss)] as const);
    return Object.fromEntries(pairs) as Results;
  }

  /**
   * What continues the step beside the weights of the models, by name: what optimizers keep (live, as in `module.stateDict()`), and learning
   * rates, seed and number of steps as they are now. For `saveSafetensors`, together with the models' own between two runs.
   */
  stateDict(): Map<string, Tensor> {
    const numbers = [...this.rates.values()].map((rate, i) => [RATE + i, constantTensor(Float32Array.of(rate), [], 'float32')] as const);
    const random = constantTensor(randomStepValue(this.drawnFrom, this.chain.count), [3], 'int32');
    return new Map<string, Tensor>([...this.slotVariables(), ...numbers, [RANDOM, random]]);
  }

  /**
   * Goes on where `stateDict` was called: of this step, or of one that was compiled alike. Await all runs first.
   * @throws StridenetError ERR_STATE_DICT_MISMATCH unless names, shapes and element types fit; then nothing changes. ERR_INVALID_ARGUMENT
   */
  loadStateDict(map: ReadonlyMap<string, Tensor>): void {
    const where = 'CompiledStep.loadStateDict';
    if (!types.isMap(map)) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects a Map of name to Tensor but got ${formatValue(map)}.`);
    }
    const expected = this.stateDict();
    const missing = [...expected.keys()].filter((name) => !map.has(name));
    const unexpected = [...map.keys()].filter((name) => !expected.has(name));
    const other = [...expected].filter(([name, tensor]) => map.has(name) && formOf(map.get(name)) !== formOf(tensor));
    const problems = [
      ...(missing.length > 0 ? [`missing: ${formatNames(missing)}`] : []),
      ...(unexpected.length > 0 ? [`unexpected: ${formatNames(unexpected)}`] : []),
      ...(other.length > 0
        ? [
            `of another form: ${formatNames(other, ([name, tensor]) => `${name} (expected ${formOf(tensor)}, got ${formOf(map.get(name))})`)}`,
          ]
        : []),
    ];
    if (problems.length > 0) {
      throw new StridenetError(
        'ERR_STATE_DICT_MISMATCH',
        `${where} expects what stateDict() of a step with the same models and optimizers gave; ${problems.join('; ')}.`,
      );
    }
    const [low, high, count] = [...map.get(RANDOM)!.dataSync()].map((word) => word >>> 0) as [number, number, number];
    const seed = checkInteger(where, 'the seed in random', high * 2 ** 32 + low, 0);
    const rates = [...this.rates.keys()].map((optimizer, i) => {
      return [optimizer, checkNumber(where, RATE + i, map.get(RATE + i)!.dataSync()[0], 0)] as const;
    });
    takeOver([...this.slotVariables()].map(([name, variable]) => [variable, map.get(name)!]));
    for (const [optimizer, rate] of rates) this.rates.set(optimizer, rate);
    this.drawnFrom = seed;
    this.chain.startAt(count);
    this.completed = count;
  }

  /** Frees threads and memory; modules keep the trained values. Idempotent. */
  close(): void {
    this.programs.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions): string {
    const style = styleOf(depth, options);
    return printed('CompiledStep', style, () => {
      const modules = this.parts.modules.map((module) => className(module));
      const optimizers = [...this.rates].map(([{ name }, rate]) => `${name} ${rate}`);
      const fields = { inputs: [...this.plan.inputs.names], optimizers, steps: this.completed };
      return `${style.stylize('CompiledStep', 'special')}(${[...modules, formatFields(fields, style)].join(', ')})`;
    });
  }

  /** What a program is specialised for. */
  private key(n: number | undefined): string {
    const alone = this.parts.minimized.flatMap(({ trained }) => trained.map((each) => each instanceof Module || each.requiresGrad));
    return `step ${n ?? ''} ${this.forms.join('|')} ${alone.join()}`;
  }

  private build(key: string, n: number | undefined): Graph {
    const { first } = this;
    this.first = undefined;
    if (first?.key === key) return first.graph;
    const step = stepGraph(this.plan, n);
    checkSame('modules', step.modules, this.parts.modules);
    checkSame('optimizers', step.optimizers, this.parts.optimizers);
    this.built.set(step.graph, step);
    return step.graph;
  }

  /** Made when they are first asked for: layers may be replaced while this step lives. */
  private keptOf(optimizer: Optimizer, parameter: Parameter): Kept {
    const own = this.kept.get(optimizer) ?? new Map<Parameter, Kept>();
    this.kept.set(optimizer, own);
    const kept = own.get(parameter) ?? makeKept(optimizer, parameter);
    own.set(parameter, kept);
    return kept;
  }

  /** What optimizers keep: 'optimizer/exp_avg/0.1/conv1.weight' of the second thing that the first `io.minimize` trains. */
  private slotVariables(): Map<string, Variable> {
    const seen = new Set<Variable>();
    const variables = new Map<string, Variable>();
    for (const [m, { trained, optimizer }] of this.parts.minimized.entries()) {
      const names = [...optimizer.slots, ...(optimizer.scalars ?? [])];
      for (const [t, each] of trained.entries()) {
        for (const parameter of parametersOf([each])) {
          const { slots, scalars } = this.keptOf(optimizer, parameter);
          const path = `${m}.${t}/${each instanceof Module ? parameter.name : 'parameter'}`;
          for (const [i, variable] of [...slots, ...scalars].entries()) {
            if (!seen.has(variable)) variables.set(slotName(names[i]!, path), variable);
            seen.add(variable);
          }
        }
      }
    }
    return variables;
  }
}

function shortForm(where: string, model: unknown, optimizer: unknown): StepPlan['short'] {
  if (model === undefined && optimizer === undefined) return undefined;
  if (model === undefined || optimizer === undefined) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects model and optimizer together, for a loss that its function returns, but got ${model === undefined ? 'no model' : 'no optimizer'}.`,
    );
  }
  return { trained: checkTrained(where, model), optimizer: checkOptimizer(where, optimizer) };
}

function formOf(value: unknown): string {
  return Tensor.is(value) ? `${value.dtype} ${formatShape(value.shape)}` : formatValue(value);
}

function resultOf({ shape }: Tensor, values: TypedArray, isLoss: boolean): number | Tensor {
  return isLoss || shape.length === 0 ? values[0]! : constantTensor(values, shape, dtypeOf(values)!);
}

function checkSame(what: string, now: readonly unknown[], before: readonly unknown[]): void {
  if (now.length === before.length && now.every((each, i) => each === before[i])) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `compileStep expects its function to use the same ${what} whenever it is called, for another number of rows say, but it used others. ` +
      `Make ${what} outside of it.`,
  );
}
