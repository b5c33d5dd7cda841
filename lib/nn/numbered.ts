/** What Sequential and ModuleList have in common: modules in fields that are named by their number. */

import { checkInteger, formatValue, StridenetError } from '../errors';
import { MEMBERS, Module } from './module';

/**
 * Modules in the fields 0, 1, ..., which may be replaced, and added to at the end, by assignment. They are counted as an array counts. What an
 * assignment or `delete` may leave behind, a hole or what is no Module, is refused as soon as the modules are used.
 */
export abstract class NumberedModules extends Module implements Iterable<Module> {
  /** The modules, so that parameter names come out as in PyTorch. One may be replaced: `model.classifier[6] = head`. */
  [index: number]: Module;

  /** Number of modules: one more than the highest number of a field. */
  get length(): number {
    return lengthOf(this);
  }

  /** The module at `index`; negative ones count from the end. */
  at(index: number): Module | undefined {
    const length = lengthOf(this);
    const i = checkInteger(`${this.constructor.name}.at`, 'index', index, -length);
    return this[i < 0 ? i + length : i];
  }

  /** The modules in their order. @throws StridenetError ERR_INVALID_ARGUMENT for a hole between them, or what is no Module */
  [Symbol.iterator](): IterableIterator<Module> {
    return this.modules().values();
  }

  /** @internal Also what is no Module is not passed over in silence: it would be missing in files, and from what trains. */
  override [MEMBERS](): Iterable<[string, unknown]> {
    this.modules();
    return super[MEMBERS]();
  }

  private modules(): Module[] {
    return numbersOf(this).map((number, i) => {
      const module: unknown = this[Number(number)];
      if (number === String(i) && module instanceof Module) return module;
      const { name } = this.constructor;
      const found = number === String(i) ? `${name}[${i}] is ${formatValue(module)}` : `there is ${name}[${number}] without ${name}[${i}]`;
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${name} expects Modules numbered from 0 on but ${found}.`);
    });
  }
}

function lengthOf(container: object): number {
  return numbersOf(container).reduce((length, number) => Math.max(length, Math.floor(Number(number)) + 1), 0);
}

/** The names of fields that are numbers, in ascending order; after them -1 and 0.5, which no module may have. */
function numbersOf(container: object): string[] {
  return Object.keys(container).filter((name) => String(Number(name)) === name);
}
