/** Why a loss is not finite: the first value on the way to it that is not. */

import type { Graph } from '../graph/graph';
import { inputTensor } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import { Parameter } from '../nn/parameter';
import { sum } from '../ops/broadcast';
import { describe } from '../ops/builder';
import { withRandomStep } from '../ops/dropout';
import { mul } from '../ops/elementwise';
import { collectUpdates } from '../ops/update';
import { scoredGraph, type BatchForm, type Scoring } from './graphs';
import type { TargetForm } from './target';

/** A graph whose outputs say of values in the order of their computation whether they are finite: 0 if so, else NaN. */
export interface FinitenessGraph extends Graph {
  /** What each output is about, in words. */
  readonly values: readonly string[];
}

/** Of the forward pass of a training step. It changes nothing. */
export function finitenessGraph(scoring: Scoring, form: BatchForm, target: TargetForm): FinitenessGraph {
  const random = inputTensor({ name: 'randomStep', feedDType: 'int32', layout: 'nchw' }, [3], 'int32');
  const build = (): ReturnType<typeof scoredGraph> => scoredGraph({ ...scoring, metrics: [] }, form, target, true);
  const { result, count: dropouts } = withRandomStep(random, () => collectUpdates(build).result);
  const { feeds, images, targets, outputs } = result;
  const nodes = topologicalOrder([outputs[0]!]).filter(({ dtype, leaf }) => dtype === 'float32' && leaf?.kind !== 'constant');
  return {
    feeds: [...feeds, ...(dropouts > 0 ? [random] : [])],
    outputs: nodes.map((node) => sum(mul(node, 0))),
    updates: [],
    values: nodes.map((node) => inWords(node, images, targets)),
  };
}

function inWords(node: Tensor, images: Tensor, targets: Tensor): string {
  if (node === images) return 'an image';
  if (node === targets) return 'a target';
  if (node.leaf?.kind === 'variable') return `${node instanceof Parameter ? 'the parameter' : 'the running statistic'} ${node.name}`;
  return `the output of ${describe(node.op, node.name)}`;
}
