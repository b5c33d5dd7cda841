/** What the training graph of a model depends on and users may change between two steps. */

import { isFrozen, wasFrozen, type Module } from '../nn/module';
import type { Parameter } from '../nn/parameter';
import { Structure } from '../nn/structure';

let nextId = 0;
const ids = new WeakMap<object, number>();

function idOf(object: object): number {
  let id = ids.get(object);
  if (id === undefined) ids.set(object, (id = nextId++));
  return id;
}

/**
 * A text that differs when the training graph does: it tells the modules and parameters of a model, their places, modes and which of them
 * train. To be part of the keys of programs.
 */
export function formOf(model: Module): string {
  return formOfParts(model.namedModules(), model.parameters());
}

function formOfParts(modules: readonly [string, Module][], parameters: readonly Parameter[]): string {
  const places = modules.map(([path, module]) => `${path}:${idOf(module)}${module.training && !isFrozen(module) ? '' : ' rests'}`);
  const trained = parameters.map((parameter) => `${idOf(parameter)}${parameter.requiresGrad ? '' : ' frozen'}`);
  return `${places.join()};${trained.join()}`;
}

/** The form of one model, made again only when something has changed: asking before every step costs little. */
export class ModelForm {
  private text = '';
  private structure: Structure | undefined;
  /** Say together whether what the text tells has changed; `structure` does not see them. */
  private flags: (() => boolean)[] = [];
  private seen: boolean[] = [];

  constructor(private readonly model: Module) {}

  toString(): string {
    if (!this.structure?.isSame || this.flags.some((flag, i) => flag() !== this.seen[i])) this.look();
    return this.text;
  }

  private look(): void {
    const [modules, parameters] = [this.model.namedModules(), this.model.parameters()];
    this.text = formOfParts(modules, parameters);
    this.structure = new Structure(this.model);
    this.flags = [
      ...modules.flatMap(([, module]) => [() => module.training, () => wasFrozen(module)]),
      ...parameters.map((parameter) => () => parameter.requiresGrad),
    ];
    this.seen = this.flags.map((flag) => flag());
  }
}
