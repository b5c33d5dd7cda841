/** The graph of a step of one's own: what a function asks of `io` becomes losses, gradients and updates. */

import { checkOptions, formatShape, formatValue, quote, readArray, StridenetError } from '../errors';
import type { Graph, Update } from '../graph/graph';
import { inputTensor } from '../graph/leaves';
import { isPlainObject } from '../graph/plainObject';
import { Tensor } from '../graph/tensor';
import { Module } from '../nn/module';
import { Parameter, Variable } from '../nn/parameter';
import { checkOptimizer, type Optimizer } from '../optim/optimizer';
import { differentiate } from '../ops/differentiate';
import { withRandomStep } from '../ops/dropout';
import { add, mul } from '../ops/elementwise';
import { reshape } from '../ops/shape';
import { collectUpdates, replacement, type DeferredUpdate } from '../ops/update';
import { CLIPPING_OPTIONS, checkClipping, clipGradients, type ClippingOptions } from './clipping';
import { checkModel } from './graphs';
import { refuseHiddenOf } from './hidden';
import type { Kept } from './kept';
import { optimizerUpdates } from './optimizerUpdates';
import type { StepInputs } from './stepInputs';
import { scalarFeed } from '../graph/leaves';
import { chainTo } from './trainingGraph';

/** What can be trained by a step: modules, or parameters of their own. */
export type Trained = Module | Parameter | readonly (Module | Parameter)[];

/** A change that a step makes; `io.minimize` and `io.assign` give them. */
export interface StepUpdate {
  /** What it does. */
  readonly kind: 'minimize' | 'assign';
}

/** What the function of `compileStep` returns; all of it may be left out that a step does not need. */
export interface StepGraph {
  /** Minimised with the `model` and the `optimizer` of the options. */
  readonly loss?: Tensor | undefined;
  /** All that `io.minimize` and `io.assign` gave. */
  readonly updates?: readonly StepUpdate[] | undefined;
  /** What a run gives, by name. */
  readonly outputs?: Readonly<Record<string, Tensor>> | undefined;
}

/** What the function of `compileStep` builds its graph with. */
export interface StepIO {
  /**
   * An input of the options, as the step sees it.
   * @throws StridenetError ERR_INVALID_ARGUMENT for a name that the options do not have
   */
  input(name: string): Tensor;
  /**
   * What `module.forward` gives for the inputs. Each layer works in the mode that it is in (`train()`, as it is made, or `eval()`), as in
   * PyTorch; running statistics of those that train move in every step.
   */
  call<M extends Module>(module: M, ...inputs: Parameters<M['forward']>): ReturnType<M['forward']>;
  /**
   * An update: one step of `optimizer` on what of `trained` is not frozen, down the gradient of `loss`. Only these change, whatever else the
   * loss depends on.
   * @param loss a tensor of one element
   * @param options how its gradients are clipped
   */
  minimize(loss: Tensor, trained: Trained, optimizer: Optimizer, options?: ClippingOptions): StepUpdate;
  /** An update: the variable (a parameter too, even if it is frozen) holds `value` after the step. For moving averages of weights, say. */
  assign(variable: Variable, value: Tensor): StepUpdate;
}

interface Minimization extends StepUpdate {
  readonly kind: 'minimize';
  readonly loss: Tensor;
  readonly trained: readonly (Module | Parameter)[];
  readonly optimizer: Optimizer;
  readonly clipping: ClippingOptions;
}

interface Assigned extends StepUpdate {
  readonly kind: 'assign';
  readonly variable: Variable;
  readonly value: Tensor;
}

/** What is built from. */
export interface StepPlan {
  readonly where: string;
  readonly build: (io: StepIO) => unknown;
  readonly inputs: StepInputs;
  /** What a loss that is returned is minimised with. */
  readonly short: { readonly trained: readonly (Module | Parameter)[]; readonly optimizer: Optimizer } | undefined;
  keptOf(optimizer: Optimizer, parameter: Parameter): Kept;
  /** Holds the mark of the last step that was applied. */
  readonly lastApplied: Variable;
}

/** What the function asked for, without its tensors. */
export interface StepParts {
  /** Modules that are called or trained, in the order in which they came. */
  readonly modules: readonly Module[];
  readonly minimized: readonly { readonly trained: readonly (Module | Parameter)[]; readonly optimizer: Optimizer }[];
  /** Each once. */
  readonly optimizers: readonly Optimizer[];
}

/** A graph and what its outputs are. */
export interface BuiltStep extends StepParts {
  readonly graph: Graph;
  /** The outputs that are minimised: a step in which one is not finite is not applied. */
  readonly losses: readonly number[];
  /** Where the named results lie among the outputs. */
  readonly results: readonly { readonly name: string; readonly at: number; readonly isLoss: boolean }[];
}

/** The feed of the learning rate of an optimizer. */
export function rateFeed(optimizer: number): string {
  return `learningRate${optimizer}`;
}

/**
 * Feeds: the inputs that the function asked for, a learning rate for each optimizer, those of `chainValues` and, when anything is random,
 * randomStep. All gradients and values are those before the step; one of which a minimised loss is not finite changes nothing.
 * @param n what 'n' stands for in the shapes of inputs
 * @throws StridenetError as the function, and for what it returns
 */
export function stepGraph(plan: StepPlan, n: number | undefined): BuiltStep {
  const { where } = plan;
  const recorder = new Recorder(plan, n);
  const random = inputTensor({ name: 'randomStep', feedDType: 'int32', layout: 'nchw' }, [3], 'int32');
  const {
    result: { result: returned, updates: asked },
    count: dropouts,
  } = withRandomStep(random, () => collectUpdates(() => plan.build(recorder.io)));
  recorder.finish();
  const { loss, updates, outputs } = readReturned(where, returned);
  recorder.checkReturned(updates);
  if (loss) recorder.minimizeReturned(loss);
  else if (plan.short) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects its function to return a loss for the model and the optimizer of the options.`,
    );
  }
  const { minimizations } = recorder;

  const chain = chainTo(plan.lastApplied);
  const losses = [...new Set(minimizations.map((each) => each.loss))];
  // 0 while all losses are finite and the step before was applied; else NaN, with which an update changes nothing.
  const zero = losses.reduce((sum, each) => add(sum, mul(scalarOf(each), 0)), mul(chain.fault, 0));
  const optimizers = [...new Set(minimizations.map(({ optimizer }) => optimizer))];
  const rates = optimizers.map((_, i) => scalarFeed(rateFeed(i)));
  const guarded = rates.map((rate) => add(rate, zero));
  const parts: StepParts = { modules: recorder.modules, minimized: minimizations, optimizers };
  refuseHiddenOf(where, listedBy(parts), losses, asked);

  const made = minimizations.flatMap((each) => minimizationUpdates(plan, each, guarded[optimizers.indexOf(each.optimizer)]!));
  const assigned = recorder.assignments.map(({ variable, value }) => replacement(variable, value, zero));
  refuseTwice(where, [...made, ...assigned], asked);
  const all = [...made, ...assigned, ...asked.map(({ update }) => update(zero))];
  const heads = [...new Set([...losses, ...outputs.map(([, tensor]) => tensor)])];
  if (heads.length === 0 && all.length === 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects its function to return a loss, updates or outputs but it returned none of them.`,
    );
  }
  return {
    ...parts,
    graph: {
      feeds: [...recorder.asked, ...rates, ...chain.feeds, ...(dropouts > 0 ? [random] : [])],
      outputs: heads,
      updates: [...all, replacement(plan.lastApplied, chain.mark, zero)],
    },
    losses: losses.map((each) => heads.indexOf(each)),
    results: [
      ...(loss ? [{ name: 'loss', at: heads.indexOf(loss), isLoss: true }] : []),
      ...outputs.map(([name, tensor]) => ({ name, at: heads.indexOf(tensor), isLoss: false })),
    ],
  };
}

/** Writes down what a function asks of `io`. */
class Recorder {
  readonly io: StepIO;
  readonly modules: Module[] = [];
  readonly minimizations: Minimization[] = [];
  readonly assignments: Assigned[] = [];
  private readonly placeholders = new Map<unknown, Tensor>();
  private isFinished = false;

  constructor(
    private readonly plan: StepPlan,
    private readonly n: number | undefined,
  ) {
    this.io = Object.freeze({
      input: (name: string) => this.input(name),
      call: <M extends Module>(module: M, ...inputs: Parameters<M['forward']>) => this.call(module, inputs),
      minimize: (loss: Tensor, trained: Trained, optimizer: Optimizer, options?: ClippingOptions) =>
        this.minimize(loss, trained, optimizer, options),
      assign: (variable: Variable, value: Tensor) => this.assign(variable, value),
    });
  }

  /** The inputs that were asked for. */
  get asked(): Tensor[] {
    return [...this.placeholders.values()];
  }

  /** The function has returned. */
  finish(): void {
    this.isFinished = true;
    const unused = this.plan.inputs.names.find((name) => !this.placeholders.has(name));
    if (unused === undefined) return;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${this.plan.where} expects its function to use all inputs of the options but it does not ask for io.input(${quote(unused)}).`,
    );
  }

  /** @throws StridenetError ERR_INVALID_ARGUMENT without a model and an optimizer in the options */
  minimizeReturned(loss: Tensor): void {
    const { where, short } = this.plan;
    if (!short) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects options model and optimizer for a loss that its function returns. Pass both, or return updates: [io.minimize(loss, model, optimizer)].`,
      );
    }
    this.remember(short.trained);
    this.minimizations.push({ kind: 'minimize', loss, ...short, clipping: {} });
  }

  /** What was asked for must be what is returned: an update that is forgotten would be a model that does not learn. */
  checkReturned(returned: readonly unknown[]): void {
    const { where } = this.plan;
    const own = new Set<unknown>([...this.minimizations, ...this.assignments]);
    const foreign = returned.find((update, i) => !own.has(update) || returned.indexOf(update) !== i);
    if (foreign !== undefined) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects updates to be what io.minimize and io.assign gave, each once, but got ${formatValue(foreign)}.`,
      );
    }
    const forgotten = own.size - returned.length;
    if (forgotten === 0) return;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects its function to return all that io.minimize and io.assign gave as updates but ${forgotten} of ${own.size} are not among them.`,
    );
  }

  private input(name: string): Tensor {
    this.checkOpen('io.input');
    const known = this.placeholders.get(name);
    if (known) return known;
    const placeholder = this.plan.inputs.placeholder(name, this.n);
    this.placeholders.set(name, placeholder);
    return placeholder;
  }

  private call<M extends Module>(module: M, inputs: Parameters<M['forward']>): ReturnType<M['forward']> {
    this.checkOpen('io.call');
    checkModel('io.call', module);
    this.remember([module]);
    return module.forward(...inputs) as ReturnType<M['forward']>;
  }

  private minimize(loss: unknown, trained: unknown, optimizer: unknown, options: unknown): StepUpdate {
    this.checkOpen('io.minimize');
    checkOptions('io.minimize', options, CLIPPING_OPTIONS);
    const minimization: Minimization = Object.freeze({
      kind: 'minimize',
      loss: checkLossTensor('io.minimize', loss),
      trained: checkTrained('io.minimize', trained),
      optimizer: checkOptimizer('io.minimize', optimizer),
      clipping: checkClipping('io.minimize', options ?? {}),
    });
    this.remember(minimization.trained);
    this.minimizations.push(minimization);
    return minimization;
  }

  private assign(variable: unknown, value: unknown): StepUpdate {
    this.checkOpen('io.assign');
    if (!(variable instanceof Variable)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `io.assign expects an nn.Parameter or nn.Variable but got ${formatValue(variable)}.`,
      );
    }
    if (!Tensor.is(value) || value.dtype !== 'float32' || formatShape(value.shape) !== formatShape(variable.shape)) {
      const got = Tensor.is(value) ? `${value.dtype} of shape ${formatShape(value.shape)}` : formatValue(value);
      throw new StridenetError(
        Tensor.is(value) ? 'ERR_SHAPE_MISMATCH' : 'ERR_INVALID_ARGUMENT',
        `io.assign expects a value of the variable's shape, float32 ${formatShape(variable.shape)}, but got ${got}.`,
      );
    }
    const assigned: Assigned = Object.freeze({ kind: 'assign', variable, value });
    this.assignments.push(assigned);
    return assigned;
  }

  private remember(trained: readonly (Module | Parameter)[]): void {
    for (const each of trained) if (each instanceof Module && !this.modules.includes(each)) this.modules.push(each);
  }

  private checkOpen(method: string): void {
    if (!this.isFinished) return;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${method} belongs to a function that has returned: ${this.plan.where} compiles what it builds until then.`,
    );
  }
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
function readReturned(
  where: string,
  returned: unknown,
): { loss: Tensor | undefined; updates: readonly unknown[]; outputs: readonly (readonly [string, Tensor])[] } {
  if (typeof returned !== 'object' || returned === null || !isPlainObject(returned)) {
    const advice = returned instanceof Promise ? ' It builds a graph and awaits nothing.' : '';
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects its function to return { loss, updates, outputs } but it returned ${formatValue(returned)}.${advice}`,
    );
  }
  checkOptions(`${where}: what its function returns`, returned, ['loss', 'updates', 'outputs']);
  const { loss, updates, outputs = {} } = returned as Partial<Record<'loss' | 'updates' | 'outputs', unknown>>;
  const list = updates === undefined ? [] : readArray(updates);
  if (!list) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects updates to be an array but its function returned ${formatValue(updates)}.`,
    );
  }
  if (typeof outputs !== 'object' || outputs === null || Array.isArray(outputs) || Tensor.is(outputs)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects outputs to be tensors by name, such as { loss }, but its function returned ${formatValue(outputs)}.`,
    );
  }
  const pairs = Object.entries(outputs as Record<string, unknown>).map(([name, tensor]) => {
    if (Tensor.is(tensor) && !(name === 'loss' && loss !== undefined)) return [name, tensor] as const;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      Tensor.is(tensor)
        ? `${where} expects another name than loss among outputs beside a loss.`
        : `${where} expects outputs.${name} to be a Tensor but its function returned ${formatValue(tensor)}.`,
    );
  });
  return { loss: loss === undefined ? undefined : checkLossTensor(where, loss), updates: list, outputs: pairs };
}

function checkLossTensor(where: string, loss: unknown): Tensor {
  if (Tensor.is(loss) && loss.size === 1 && loss.dtype === 'float32') return loss;
  const got = Tensor.is(loss) ? `${loss.dtype} of shape ${formatShape(loss.shape)}` : formatValue(loss);
  throw new StridenetError(
    Tensor.is(loss) ? 'ERR_SHAPE_MISMATCH' : 'ERR_INVALID_ARGUMENT',
    `${where} expects a loss of one element, float32, but got ${got}. Reduce it with ops.mean.`,
  );
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkTrained(where: string, trained: unknown): readonly (Module | Parameter)[] {
  const list = readArray(trained) ?? [trained];
  if (list.length > 0 && list.every((each) => each instanceof Module || each instanceof Parameter)) return list;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects an nn.Module, an nn.Parameter or an array of them to train but got ${formatValue(trained)}.`,
  );
}

/** Everything that the modules list, and parameters that are trained by themselves. */
function listedBy({ modules, minimized }: StepParts): Set<Tensor> {
  const alone = minimized.flatMap(({ trained }) => trained.filter((each) => each instanceof Parameter));
  return new Set<Tensor>([...modules.flatMap((module) => [...module.stateDict().values()]), ...alone]);
}

/** What of them may be trained, each parameter once. */
export function parametersOf(trained: readonly (Module | Parameter)[]): Parameter[] {
  return [...new Set(trained.flatMap((each) => (each instanceof Module ? each.parameters() : [each])))];
}

function minimizationUpdates(
  { where, keptOf }: StepPlan,
  { loss, trained, optimizer, clipping }: Minimization,
  guardedRate: Tensor,
): Update[] {
  const trainable = parametersOf(trained).filter(({ requiresGrad }) => requiresGrad);
  const gradients = clipGradients(differentiate(loss, trainable), clipping);
  const updates = trainable.flatMap((parameter, i) => {
    const gradient = gradients[i];
    // A parameter that the loss does not depend on stays as it is, as in PyTorch.
    return gradient ? optimizerUpdates(optimizer, parameter, gradient, guardedRate, keptOf(optimizer, parameter)) : [];
  });
  if (updates.length > 0) return updates;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects at least one parameter that requires a gradient and that the loss depends on, but ` +
      `${trained.map((each) => formatValue(each)).join(' and ')} ${trainable.length > 0 ? 'has none that this loss depends on' : 'has none'}. ` +
      (trainable.length > 0 ? 'Minimise a loss that is computed from it.' : 'Call unfreeze().'),
  );
}

/** @throws StridenetError ERR_INVALID_ARGUMENT when a variable would be set twice in a step */
function refuseTwice(where: string, updates: readonly Update[], asked: readonly DeferredUpdate[]): void {
  // Statistics that a layer moves at each of its calls may move several times; nothing else may be set beside it.
  const seen = new Set<Tensor>(asked.map(({ variable }) => variable));
  for (const variable of updates.flatMap(({ variables }) => variables)) {
    if (seen.has(variable)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects each variable to be set by one update of a step but ${variable.name || 'a variable'} of shape ${formatShape(variable.shape)} ` +
          'is set by two. Add the losses up and minimise their sum, or compile two steps.',
      );
    }
    seen.add(variable);
  }
}

function scalarOf(loss: Tensor): Tensor {
  return loss.shape.length === 0 ? loss : reshape(loss, []);
}
