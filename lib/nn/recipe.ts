/**
 * Modules as plain data, so that a checkpoint can build its model again: what constructor or builder to call with which arguments. Covers
 * the layers of this folder and models whose builder left a note (`noteBuilder`), with the layers that were replaced since; a class of the
 * user's has no recipe, since its code is not in the file.
 */

import { formatValue, StridenetError } from '../errors';
import { exactKey } from '../graph/exactKey';
import { randomState, restoreRandomState } from '../random';
import { Flatten, GELU, Hardswish, Identity, LeakyReLU, LogSoftmax, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Tanh } from './activation';
import { Conv2d } from './conv';
import { Dropout, Dropout2d } from './dropout';
import { Linear } from './linear';
import { Module } from './module';
import { BatchNorm2d, LocalResponseNorm } from './norm';
import { ReflectionPad2d, ReplicationPad2d, ZeroPad2d } from './pad';
import { AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d } from './pool';
import { Sequential } from './sequential';

export interface ModuleRecipe {
  /** Name of the class or of the builder. */
  readonly kind: string;
  /** Arguments of the constructor or builder; recipes in place of modules. */
  readonly args: readonly unknown[];
  /** Modules that do not come from the builder, such as the head for another number of classes, by their paths. */
  readonly replaced?: Readonly<Record<string, ModuleRecipe>>;
}

/** Functions that build whole models, by the names that recipes call them. */
export type Builders = Readonly<Record<string, unknown>>;

interface Kind {
  readonly type: unknown;
  args(module: Module): unknown[];
  make(args: readonly unknown[]): Module;
}

/** @param args the constructor's arguments, read back from an instance */
function kind<M extends Module, Args extends unknown[]>(type: new (...args: Args) => M, args: (module: M) => [...Args]): Kind {
  return { type, args: (module) => args(module as M), make: (values) => new type(...(values as Args)) };
}

const KINDS: Readonly<Record<string, Kind>> = {
  Conv2d: kind(Conv2d, ({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias }) => [
    inChannels,
    outChannels,
    kernelSize,
    { stride, padding, dilation, groups, bias: bias !== undefined },
  ]),
  Linear: kind(Linear, ({ inFeatures, outFeatures, bias }) => [inFeatures, outFeatures, { bias: bias !== undefined }]),
  MaxPool2d: kind(MaxPool2d, ({ kernelSize, stride, padding, dilation, ceilMode }) => [
    kernelSize,
    { stride, padding, dilation, ceilMode },
  ]),
  AvgPool2d: kind(AvgPool2d, ({ kernelSize, stride, padding, ceilMode, countIncludePad }) => [
    kernelSize,
    { stride, padding, ceilMode, countIncludePad },
  ]),
  AdaptiveAvgPool2d: kind(AdaptiveAvgPool2d, ({ outputSize }) => [outputSize]),
  GlobalAvgPool2d: kind(GlobalAvgPool2d, () => []),
  ZeroPad2d: kind(ZeroPad2d, ({ padding }) => [padding]),
  ReflectionPad2d: kind(ReflectionPad2d, ({ padding }) => [padding]),
  ReplicationPad2d: kind(ReplicationPad2d, ({ padding }) => [padding]),
  Dropout: kind(Dropout, ({ p }) => [p]),
  Dropout2d: kind(Dropout2d, ({ p }) => [p]),
  BatchNorm2d: kind(BatchNorm2d, ({ numFeatures, eps, momentum, affine, trackRunningStats }) => [
    numFeatures,
    { eps, momentum, affine, trackRunningStats },
  ]),
  LocalResponseNorm: kind(LocalResponseNorm, ({ size, alpha, beta, k }) => [size, { alpha, beta, k }]),
  Flatten: kind(Flatten, ({ startAxis }) => [{ startAxis }]),
  ReLU: kind(ReLU, () => []),
  Sigmoid: kind(Sigmoid, () => []),
  Tanh: kind(Tanh, () => []),
  Identity: kind(Identity, () => []),
  ReLU6: kind(ReLU6, () => []),
  LeakyReLU: kind(LeakyReLU, ({ negativeSlope }) => [{ negativeSlope }]),
  GELU: kind(GELU, ({ approximate }) => [{ approximate }]),
  SiLU: kind(SiLU, () => []),
  Hardswish: kind(Hardswish, () => []),
  Softmax: kind(Softmax, ({ axis }) => [{ axis }]),
  LogSoftmax: kind(LogSoftmax, ({ axis }) => [{ axis }]),
};

const notes = new WeakMap<Module, ModuleRecipe>();

/** Notes on a model the call that built it: the builder's name and its arguments, which must be plain data. */
export function noteBuilder<M extends Module>(model: M, kind: string, ...args: readonly unknown[]): M {
  notes.set(model, { kind, args });
  return model;
}

/** The recipe of a module made of this package's layers and of what `builders` build, or undefined. */
export function recipeOf(module: Module, builders: Builders = {}): ModuleRecipe | undefined {
  const note = notes.get(module);
  if (note && Object.hasOwn(builders, note.kind)) {
    const replaced = replacedIn(module, asBuilt(note, builders), '', builders);
    return replaced && { ...note, ...(Object.keys(replaced).length > 0 && { replaced }) };
  }
  if (module.constructor === Sequential) {
    const args = [...(module as Sequential)].map((layer) => recipeOf(layer, builders));
    return args.includes(undefined) ? undefined : { kind: 'Sequential', args };
  }
  const found = Object.entries(KINDS).find(([, { type }]) => module.constructor === type);
  return found && { kind: found[0], args: found[1].args(module) };
}

/** A new module from a recipe. @throws StridenetError ERR_BAD_FILE for what is no recipe */
export function moduleFrom(recipe: unknown, builders: Builders = {}): Module {
  const { kind: name, args, replaced } = (recipe ?? {}) as Partial<ModuleRecipe>;
  if (typeof name !== 'string' || !Array.isArray(args)) throw badRecipe(recipe);
  if (name === 'Sequential') return new Sequential(...args.map((layer) => moduleFrom(layer, builders)));
  if (Object.hasOwn(KINDS, name)) return KINDS[name]!.make(args);
  if (!Object.hasOwn(builders, name)) throw badRecipe(recipe);
  const model = build(name, args, builders);
  for (const [path, layer] of Object.entries(replaced ?? {})) replace(model, path, moduleFrom(layer, builders));
  return model;
}

function build(name: string, args: readonly unknown[], builders: Builders): Module {
  return (builders[name] as (...args: readonly unknown[]) => Module)(...args);
}

/** What the builder gives, to compare with. Its initial weights are never drawn, and the streams that it takes are put back. */
function asBuilt({ kind, args }: ModuleRecipe, builders: Builders): Module {
  const state = randomState();
  try {
    return build(kind, args, builders);
  } finally {
    restoreRandomState(state);
  }
}

/** Recipes of the modules below `module` that are not as in `built`; undefined when something differs that a recipe cannot say. */
function replacedIn(module: Module, built: Module, path: string, builders: Builders): Record<string, ModuleRecipe> | undefined {
  if (path !== '') {
    const [recipe, expected] = [recipeOf(module, builders), recipeOf(built, builders)];
    if (recipe && exactKey(recipe) === exactKey(expected)) return {};
    if (recipe && !(expected?.kind === 'Sequential' && sameFields(module, built))) return { [path]: recipe };
  }
  if (module.constructor !== built.constructor || !sameFields(module, built)) return undefined;
  const children = Object.fromEntries(built.namedChildren());
  const parts = module
    .namedChildren()
    .map(([name, child]) => replacedIn(child, children[name]!, path ? `${path}.${name}` : name, builders));
  return parts.includes(undefined) ? undefined : (Object.assign({}, ...parts) as Record<string, ModuleRecipe>);
}

/** Whether two modules have fields of the same names, children in the same places and otherwise equal plain values. */
function sameFields(module: Module, built: Module): boolean {
  const [found, expected] = [module, built].map((m) => Object.entries(m).filter(([name]) => name !== 'path' && name !== 'training'));
  return (
    found!.length === expected!.length &&
    found!.every(([name, value], i) => {
      const [expectedName, expectedValue] = expected![i]! as [string, unknown];
      if (name !== expectedName) return false;
      if (typeof value !== 'object' || typeof expectedValue !== 'object') return value === expectedValue;
      return value instanceof Module === expectedValue instanceof Module;
    })
  );
}

/** Puts `layer` in the place of the module at `path`. */
function replace(model: Module, path: string, layer: Module): void {
  const child = (parent: Module | undefined, name: string): Module | undefined => parent?.namedChildren().find(([n]) => n === name)?.[1];
  const names = path.split('.');
  const last = names.pop()!;
  const parent = names.reduce(child, model as Module | undefined);
  if (!child(parent, last)) throw badRecipe(path);
  Object.assign(parent!, { [last]: layer });
}

function badRecipe(found: unknown): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `A recipe of a model expects a known kind and its arguments but is ${formatValue(found)}.`);
}
