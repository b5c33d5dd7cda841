/** Models that do not list what they learn. */

import { formatShape, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import type { Module } from '../nn/module';
import { Parameter } from '../nn/parameter';
import { describe } from '../ops/builder';

/** Where layers are found. */
const ADVICE =
  'Keep layers in fields of modules (also in arrays, Maps, plain objects, nn.ModuleList or nn.ModuleDict), not in #private fields, Sets or ' +
  'variables outside; or freeze() the layer if it is to stay as it is.';

/**
 * Refuses parameters that would be neither trained nor saved: layers in places that `namedModules` does not look into. A frozen one may be
 * kept anywhere.
 * @param listed what `model` lists
 * @param heads what the step computes of it
 * @param asked the updates that its layers asked for
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function refuseHidden(
  model: Module,
  listed: ReadonlySet<Tensor>,
  heads: readonly Tensor[],
  asked: readonly { variable: Tensor }[],
): void {
  const hidden = findHidden(listed, heads, asked);
  if (!hidden) return;
  const name = model.constructor.name;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `Training expects a model that lists what it learns, but ${name}.forward ${hidden.what} that ${name}.${hidden.list} does not list: ` +
      `it would be neither trained nor saved. ${ADVICE}`,
  );
}

/**
 * The same of a function that calls several models.
 * @param listed what the models list that it calls and trains
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function refuseHiddenOf(
  where: string,
  listed: ReadonlySet<Tensor>,
  heads: readonly Tensor[],
  asked: readonly { variable: Tensor }[],
): void {
  const hidden = findHidden(listed, heads, asked);
  if (!hidden) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects all that learns to be listed by a module that is given to io.call or io.minimize, but its function ${hidden.what} that ` +
      `none of these lists: it would be neither trained nor saved. Call modules by io.call(module, x), and pass a parameter of its own to io.minimize. ${ADVICE}`,
  );
}

function findHidden(
  listed: ReadonlySet<Tensor>,
  heads: readonly Tensor[],
  asked: readonly { variable: Tensor }[],
): { what: string; list: 'parameters()' | 'stateDict()' } | undefined {
  const isHidden = (node: Tensor): boolean => node instanceof Parameter && node.requiresGrad && !listed.has(node);
  const order = topologicalOrder(heads);
  const reader = order.find((node) => node.inputs.some(isHidden));
  const parameter = reader?.inputs.find(isHidden) ?? order.find(isHidden);
  if (parameter) {
    const place = reader ? ` in ${describe(reader.op, reader.name)}` : '';
    return { what: `reads a parameter of shape ${formatShape(parameter.shape)}${place}`, list: 'parameters()' };
  }
  const moved = asked.find(({ variable }) => !listed.has(variable))?.variable;
  return moved && { what: `moves running statistics of shape ${formatShape(moved.shape)}`, list: 'stateDict()' };
}
