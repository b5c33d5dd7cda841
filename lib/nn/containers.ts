/** ModuleList and ModuleDict: modules kept by number or by name, for a module that decides itself how it calls them. */

import { checkInteger, formatValue, MOST_ENTRIES, readIterable, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { MEMBERS, Module } from './module';
import { NumberedModules } from './numbered';

/** A container has no order of calls, unlike Sequential. */
function refuseForward(container: Module): never {
  const { name } = container.constructor;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${name} expects its layers to be called one by one: it has no forward of its own.`);
}

function checkModule(where: string, value: unknown): Module {
  if (value instanceof Module) return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects Modules but got ${formatValue(value)}.`);
}

function checkIterable(where: string, what: string, value: unknown): unknown[] {
  const values = readIterable(value);
  if (values) return values;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${what}, at most ${MOST_ENTRIES}, but got ${formatValue(value)}.`);
}

/**
 * Modules in a row, named by their number: `blocks.0.weight`. Has PyTorch's methods; one may be replaced: `list[2] = layer`. Holes
 * are refused, as is what is no Module.
 *
 * @example
 * class Net extends nn.Module {
 *   blocks = new nn.ModuleList([new nn.Linear(8, 8), new nn.Linear(8, 8)]);
 *   forward(x: Tensor): Tensor {
 *     let y = x;
 *     for (const block of this.blocks) y = ops.relu(block.forward(y));
 *     return y;
 *   }
 * }
 */
export class ModuleList extends NumberedModules {
  /**
   * A list of modules, which may grow later.
   * @param modules in their order; default none
   * @throws StridenetError ERR_INVALID_ARGUMENT
   */
  constructor(modules: Iterable<Module> = []) {
    super();
    this.extend(modules);
  }

  /** @throws StridenetError ERR_INVALID_ARGUMENT always: a container has no order of calls, unlike Sequential */
  forward(..._inputs: Tensor[]): Tensor {
    return refuseForward(this);
  }

  /** Adds a module at the end. @throws StridenetError ERR_INVALID_ARGUMENT */
  append(module: Module): this {
    this[this.length] = checkModule('ModuleList.append', module);
    return this;
  }

  /** Adds modules at the end. @throws StridenetError ERR_INVALID_ARGUMENT; then none is added */
  extend(modules: Iterable<Module>): this {
    const checked = checkIterable('ModuleList', 'an array of Modules', modules).map((module) => checkModule('ModuleList', module));
    let { length } = this;
    for (const module of checked) this[length++] = module;
    return this;
  }

  /** Puts a module before the one at `index`. @throws StridenetError ERR_INVALID_ARGUMENT */
  insert(index: number, module: Module): void {
    const modules = [...this];
    modules.splice(checkInteger('ModuleList.insert', 'index', index, -modules.length), 0, checkModule('ModuleList.insert', module));
    this.replaceAll(modules);
  }

  /** Takes the module at `index` out, by default the last. @throws StridenetError ERR_INVALID_ARGUMENT when there is none */
  pop(index = -1): Module {
    const modules = [...this];
    const [module] = modules.splice(checkInteger('ModuleList.pop', 'index', index, -modules.length), 1);
    if (!module) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `ModuleList.pop expects an index below ${modules.length} but got ${index}.`);
    }
    this.replaceAll(modules);
    return module;
  }

  private replaceAll(modules: readonly Module[]): void {
    for (let i = this.length - 1; i >= 0; i--) Reflect.deleteProperty(this, i);
    Object.assign(this, modules);
  }
}

/**
 * Modules by name: `branches.left.weight`. A Map of modules, with PyTorch's `pop` and `update`; the order is that of insertion.
 *
 * @example
 * class Net extends nn.Module {
 *   branches = new nn.ModuleDict({ left: new nn.Linear(8, 4), right: new nn.Linear(8, 4) });
 *   forward(x: Tensor): Tensor {
 *     return ops.add(this.branches.get('left')!.forward(x), this.branches.get('right')!.forward(x));
 *   }
 * }
 */
export class ModuleDict extends Module implements Iterable<[string, Module]> {
  /** Reached through MEMBERS and not as a field, so that names in paths are the keys alone. */
  private readonly modules = new Map<string, Module>();
  /**
   * A dictionary of modules, which may grow later.
   * @param modules an object, a Map or pairs; default none
   * @throws StridenetError ERR_INVALID_ARGUMENT
   */
  constructor(modules: Readonly<Record<string, Module>> | Iterable<readonly [string, Module]> = {}) {
    super();
    this.update(modules);
  }

  /** @throws StridenetError ERR_INVALID_ARGUMENT always: a container has no order of calls, unlike Sequential */
  forward(..._inputs: Tensor[]): Tensor {
    return refuseForward(this);
  }

  /** @internal */
  override [MEMBERS](): Iterable<[string, unknown]> {
    return this.modules;
  }

  /** Number of modules. */
  get size(): number {
    return this.modules.size;
  }

  /** The module of a name, if there is one. */
  get(name: string): Module | undefined {
    return this.modules.get(name);
  }

  /** Whether there is a module of this name. */
  has(name: string): boolean {
    return this.modules.has(name);
  }

  /**
   * Sets the module of a name.
   * @param name without dots, which separate names in paths
   * @throws StridenetError ERR_INVALID_ARGUMENT
   */
  set(name: string, module: Module): this {
    this.modules.set(checkName(name), checkModule('ModuleDict', module));
    return this;
  }

  /** Takes the module of a name out; whether there was one. */
  delete(name: string): boolean {
    return this.modules.delete(name);
  }

  /** Takes all modules out. */
  clear(): void {
    this.modules.clear();
  }

  /** Takes the module of a name out. @throws StridenetError ERR_INVALID_ARGUMENT when there is none */
  pop(name: string): Module {
    const module = this.modules.get(name);
    if (!module) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `ModuleDict.pop expects one of its names, ${formatValue([...this.keys()])}, but got ${formatValue(name)}.`,
      );
    }
    this.delete(name);
    return module;
  }

  /** Sets several. @throws StridenetError ERR_INVALID_ARGUMENT; then none is set */
  update(modules: Readonly<Record<string, Module>> | Iterable<readonly [string, Module]>): this {
    if (typeof modules !== 'object' || modules === null) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `ModuleDict expects an object or a Map of Modules but got ${formatValue(modules)}.`);
    }
    const pairs = Symbol.iterator in modules ? checkIterable('ModuleDict', 'a Map of Modules', modules) : Object.entries(modules);
    const checked = pairs.map((pair): [string, Module] => {
      // Read by index, because the caller's array may have an iterator of its own.
      const [name, module] = Array.isArray(pair) ? [pair[0] as unknown, pair[1] as unknown] : [undefined, pair];
      return [checkName(name), checkModule('ModuleDict', module)];
    });
    for (const [name, module] of checked) this.set(name, module);
    return this;
  }

  /** The names, in the order of insertion. */
  keys(): IterableIterator<string> {
    return this.modules.keys();
  }

  /** The modules, in the order of insertion. */
  values(): IterableIterator<Module> {
    return this.modules.values();
  }

  /** Pairs of name and module, in the order of insertion. */
  entries(): IterableIterator<[string, Module]> {
    return this.modules.entries();
  }

  [Symbol.iterator](): IterableIterator<[string, Module]> {
    return this.entries();
  }
}

function checkName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && !name.includes('.')) return name;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `ModuleDict expects names without dots, at least a letter long, but got ${formatValue(name)}.`,
  );
}
