/**
 * Module: a named tree of layers and parameters that knows how to turn input tensors into an output tensor. A module's fields
 * are its children and their names are the parameter names; it holds no values and runs nothing.
 */

import { types } from 'node:util';
import { COPY, THIS_COPY, checkFunction, formatValue, StridenetError } from '../errors';
import {
  checkPreprocessing,
  notedPreprocessing,
  notePreprocessing,
  rememberPreprocessing,
  statedPreprocessing,
  type Preprocessing,
} from '../graph/preprocess';
import { INSPECT, styleOf, type InspectOptions } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { isPlainObject } from '../graph/plainObject';
import { formatModule } from './formatModule';
import { loadVariables, type LoadedStateDict, type LoadStateDictOptions } from './loadStateDict';
import { Parameter, Variable } from './parameter';

/** The method by which a container that keeps its modules elsewhere than in fields hands them out. */
export const MEMBERS = Symbol('members');

/**
 * Base class of all layers and models. Fields that are Modules, Parameters or Variables are found by name, also in arrays, plain objects and
 * Maps with texts or numbers as keys: the weight of `layer1[0].conv1` is called `layer1.0.conv1.weight`. `ModuleList` and `ModuleDict` are
 * such containers with PyTorch's methods. What lies in #private fields or Sets is not found; training refuses a model that reads such.
 *
 * @example
 * class Residual extends nn.Module {
 *   conv = new nn.Conv2d(64, 64, 3, { padding: 1 });
 *   forward(x: Tensor): Tensor { return ops.relu(ops.add(this.conv.forward(x), x)); }
 * }
 */
export abstract class Module {
  /** Whether layers that differ behave as in training; set by `train()` and `eval()`. */
  training = true;
  /** Name from the root module, such as `layer1.0.conv1`; '' for the root and before a root was walked. */
  path = '';

  /**
   * How raw images become what this model sees. Training sets it, from the data set or the options of `Trainer`; `stateDict()` and files
   * of weights take it along, `loadStateDict` takes it over. `compile`, `evaluate` and further training read images so unless told
   * otherwise. A model whose first layer is a trained model (Sequential) reads them as that. Checked when it is set.
   */
  get preprocess(): Preprocessing | undefined {
    return preprocessings.get(this);
  }
  set preprocess(value: Preprocessing | undefined) {
    const { layout, ...rest } = value === undefined ? {} : checkPreprocessing(this.constructor.name, value);
    // Defaults are not kept.
    const kept = layout === 'nhwc' ? { ...rest, layout } : rest;
    if (Object.keys(kept).length > 0) preprocessings.set(this, Object.freeze(kept));
    else preprocessings.delete(this);
  }

  /** Builds the part of the graph that computes the output from the input. Pure: called once per graph, not once per run. */
  abstract forward(...inputs: Tensor[]): Tensor;

  /** @internal What may be or hold its children and variables, by name: the fields. */
  [MEMBERS](): Iterable<[string, unknown]> {
    return Object.entries(this);
  }

  /** Direct children with their names, in the order of the fields. */
  namedChildren(): [string, Module][] {
    return fields(this).filter((field): field is [string, Module] => field[1] instanceof Module);
  }

  /** Direct children. */
  children(): Module[] {
    return this.namedChildren().map(([, child]) => child);
  }

  /** This module (named '') and all below it, each once under its first name. Sets their `path` and their parameters' names. */
  namedModules(): [string, Module][] {
    const first = new Map<Module, string>();
    for (const { path, module } of walk(this)) if (!first.has(module)) first.set(module, path);
    return [...first].map(([module, path]) => [path, module]);
  }

  /** Every Parameter below this module, each once, named by its path. */
  parameters(): Parameter[] {
    return [...new Set(namedVariables(this).values())].filter((variable) => variable instanceof Parameter);
  }

  /** Live references by name, in PyTorch's order: own variables first, then the children's. Reading one gives its newest value. */
  stateDict(): Map<string, Variable> {
    return notePreprocessing(namedVariables(this), () => statedPreprocessing(this));
  }

  /**
   * Takes values over by name. Nothing changes unless everything fits.
   *
   * @param map such as `loadSafetensors` or another module's `stateDict()` gives
   * @returns names that were missing from and unexpected in `map` (with `strict` none), and those whose shapes differ (with `ignoreMismatched`)
   * @throws StridenetError ERR_STATE_DICT_MISMATCH, which says what is missing, unexpected and misshaped, and what to do about it
   * @example model.loadStateDict(await loadSafetensors('compiled.safetensors'), { prefix: '_orig_mod.' });
   */
  loadStateDict(map: ReadonlyMap<string, Tensor>, options: LoadStateDictOptions = {}): LoadedStateDict {
    const loaded = loadVariables(`${this.constructor.name}.loadStateDict`, namedVariables(this), map, options);
    const preprocess = notedPreprocessing(map);
    if (preprocess) rememberPreprocessing(this, preprocess);
    return loaded;
  }

  /**
   * Excludes all parameters from training. A normalisation layer that is frozen keeps its running statistics and normalises by them, as in
   * Keras; to have that of one that trains its weight, call `eval()` on it.
   */
  freeze(): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = false;
    for (const [, module] of this.namedModules()) frozenModules.add(module);
    return this;
  }

  /** Includes all parameters in training again. */
  unfreeze(): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = true;
    for (const [, module] of this.namedModules()) frozenModules.delete(module);
    return this;
  }

  /**
   * Sets training mode on this module and all below it. `fit` and `Trainer` leave single layers in the mode that they are in, so that one in
   * `eval()` keeps its statistics and drops nothing; a model that is as a whole in `eval()`, to predict, they train as a whole.
   */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  /** Sets evaluation mode on this module and all below it. */
  eval(): this {
    return this.train(false);
  }

  /**
   * The options of this layer as they are printed between its parentheses; classes of one's own override it.
   * @returns such as `3, 64, kernelSize: [7, 7]`; here ''
   */
  extraRepr(): string {
    return '';
  }

  /** @internal */
  get [COPY](): object {
    return THIS_COPY;
  }

  /** The tree of layers with their options, as PyTorch prints it. Touches no weights. */
  toString(): string {
    return formatModule(this);
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions): string {
    return formatModule(this, styleOf(depth, options));
  }

  /** Calls `action` on every module below this one, then on this one. */
  apply(action: (module: Module) => void): this {
    checkFunction('Module.apply', 'action', action);
    // Children before their parent (iterative: modules may be nested deeper than the call stack).
    const open: { module: Module; rest: IterableIterator<Module> }[] = [];
    const ancestors = new Set<Module>();
    const enter = (module: Module): void => {
      ancestors.add(module);
      open.push({ module, rest: module.children().values() });
    };
    enter(this);
    while (open.length > 0) {
      const { module, rest } = open.at(-1)!;
      const child = rest.next();
      if (child.done) {
        open.pop();
        ancestors.delete(module);
        action(module);
      } else if (!ancestors.has(child.value)) {
        enter(child.value);
      }
    }
    return this;
  }
}

/** What modules remember, kept apart from their fields, which are their children. */
const preprocessings = new WeakMap<Module, Preprocessing>();

const frozenModules = new WeakSet<Module>();

/** Whether `freeze` was called on the module, or on one above, and `unfreeze` not since. */
export function wasFrozen(module: Module): boolean {
  return frozenModules.has(module);
}

/** Whether nothing of the module itself trains: none of its own parameters, or, if it has none, as `freeze` said. */
export function isFrozen(module: Module): boolean {
  const own = fields(module).flatMap(([, value]) => (value instanceof Parameter ? [value] : []));
  return own.length > 0 ? own.every(({ requiresGrad }) => !requiresGrad) : wasFrozen(module);
}

type Field = [name: string, value: Module | Variable];

/** Modules and variables directly below a module, also in containers (iterative: those may be nested deeper than the call stack). */
function fields(module: Module): Field[] {
  const found: Field[] = [];
  const inside = new Set<unknown>();
  const open: { container: object; prefix: string; rest: Iterator<[string, unknown]> }[] = [];
  const enter = (container: object, prefix: string, entries: Iterable<[string, unknown]>): void => {
    inside.add(container);
    open.push({ container, prefix, rest: entries[Symbol.iterator]() });
  };
  enter(module, '', module[MEMBERS]());
  while (open.length > 0) {
    const { container, prefix, rest } = open.at(-1)!;
    const next = rest.next();
    if (next.done) {
      open.pop();
      inside.delete(container);
      continue;
    }
    const [key, value] = next.value;
    if (typeof value !== 'object' || value === null) continue;
    const name = join(prefix, key);
    if (value instanceof Module || value instanceof Variable) {
      found.push([name, value]);
    } else if (!inside.has(value)) {
      const entries = entriesOf(value);
      if (entries) enter(value, name, entries);
    }
  }
  return found;
}

/** Longer arrays may be all holes, thousands of millions of them: what is there is asked for by its keys. */
export const LONGEST_DENSE = 2 ** 25;

/** The objects in an array, a Map or a plain object, by texts; undefined for anything else. */
function entriesOf(value: object): [string, unknown][] | undefined {
  if (Array.isArray(value)) {
    if (value.length > LONGEST_DENSE) return Object.entries(value);
    const entries: [string, unknown][] = [];
    for (let i = 0; i < value.length; i++) if (typeof value[i] === 'object') entries.push([String(i), value[i]]);
    return entries;
  }
  if (types.isMap(value)) {
    const isName = (key: unknown): boolean => typeof key === 'string' || typeof key === 'number';
    return [...value].flatMap(([key, entry]): [string, unknown][] => (isName(key) ? [[String(key), entry]] : []));
  }
  return isPlainObject(value) ? Object.entries(value) : undefined;
}

function join(path: string, name: string): string {
  return path ? `${path}.${name}` : name;
}

interface Step {
  readonly path: string;
  readonly module: Module;
  readonly fields: readonly Field[];
}

/**
 * Every way from the root to a module: one that stands in two places comes twice, a cycle is left out. Modules and variables are
 * named by their first path.
 */
function walk(root: Module): Step[] {
  const steps: Step[] = [];
  const named = new Set<Module | Variable>();
  const ancestors = new Set<Module>();
  const enter = (module: Module, path: string): void => {
    const own = fields(module);
    steps.push({ path, module, fields: own });
    if (!named.has(module)) module.path = path;
    named.add(module);
    for (const [field, value] of own) {
      if (!(value instanceof Variable) || named.has(value)) continue;
      value.name = join(path, field);
      named.add(value);
    }
    ancestors.add(module);
    open.push({ module, path, rest: own.values() });
  };
  // Iterative: modules may be nested deeper than the call stack.
  const open: { module: Module; path: string; rest: IterableIterator<Field> }[] = [];
  enter(root, '');
  while (open.length > 0) {
    const { module, path, rest } = open.at(-1)!;
    const next = rest.next();
    if (next.done) {
      open.pop();
      ancestors.delete(module);
      continue;
    }
    const [field, value] = next.value;
    if (value instanceof Module && !ancestors.has(value)) enter(value, join(path, field));
  }
  return steps;
}

/** All variables by path; one that is shared comes under each of its paths. */
function namedVariables(root: Module): Map<string, Variable> {
  const variables = new Map<string, Variable>();
  for (const { path, fields: own } of walk(root)) {
    for (const [field, value] of own) {
      if (!(value instanceof Variable)) continue;
      const name = join(path, field);
      if ((variables.get(name) ?? value) !== value) {
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `${root.constructor.name} expects its parameters to have different names but two are called ${formatValue(name)}. Leave dots out of keys.`,
        );
      }
      variables.set(name, value);
    }
  }
  return variables;
}
