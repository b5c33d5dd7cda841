/** What the training graph of a model depends on and users may change between two steps. */

import { isFrozen, type Module } from '../nn/module';

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
  const modules = model
    .namedModules()
    .map(([path, module]) => `${path}:${idOf(module)}${module.training && !isFrozen(module) ? '' : ' rests'}`);
  const parameters = model.parameters().map((parameter) => `${idOf(parameter)}${parameter.requiresGrad ? '' : ' frozen'}`);
  return `${modules.join()};${parameters.join()}`;
}
