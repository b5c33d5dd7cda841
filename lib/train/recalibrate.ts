/**
 * Running statistics of batch normalisation, made anew for weights that no step has had, such as an average of others: the means over the
 * batches of a pass (torch.optim.swa_utils.update_bn).
 */

import type { Graph } from '../graph/graph';
import { inputTensor, scalar } from '../graph/leaves';
import { isFrozen, type Module } from '../nn/module';
import { BatchNorm2d } from '../nn/norm';
import { withRandomStep } from '../ops/dropout';
import { collectUpdates } from '../ops/update';
import { constantRule } from '../random';
import type { Batch } from './batches';
import { callModel, type BatchForm } from './graphs';
import { imageInput, type Images } from './images';

/** What moves the statistics of a model by one batch. */
export interface StatisticsMover {
  readonly model: Module;
  moveStatistics(images: Images): Promise<void>;
}

/** Of those normalisations that training moves; others stay as they are. */
export async function recalibrate(trainer: StatisticsMover, batches: AsyncIterable<Batch> | Iterable<Batch>): Promise<void> {
  const moving = trainer.model.namedModules().flatMap(([, module]) => {
    return module instanceof BatchNorm2d && module.trackRunningStats && module.training && !isFrozen(module) ? [module] : [];
  });
  if (moving.length === 0) return;
  const momenta = moving.map(({ momentum }) => momentum);
  const setMomentum = (norm: BatchNorm2d, momentum: number | null): void => void Object.assign(norm, { momentum });
  try {
    for (const norm of moving) {
      setMomentum(norm, null); // the mean over all batches, of which there are none yet
      norm.num_batches_tracked!.storage.initialize(constantRule(0));
    }
    for await (const { images, count } of batches) if (count > 0) await trainer.moveStatistics(images);
  } finally {
    moving.forEach((norm, i) => setMomentum(norm, momenta[i]!));
  }
}

/** Feeds: images, and when anything is random randomStep. Moves what layers move by themselves in a step, and nothing else. */
export function statisticsGraph(model: Module, form: BatchForm): Graph {
  const images = imageInput(form.count, form.input, form.dtype, form.preprocess);
  const random = inputTensor({ name: 'randomStep', feedDType: 'int32', layout: 'nchw' }, [3], 'int32');
  const { result, count: dropouts } = withRandomStep(random, () => collectUpdates(() => callModel(model, images, true)));
  const updates = result.updates.map(({ update }) => update(scalar(1)));
  return { feeds: [images, ...(dropouts > 0 ? [random] : [])], outputs: [], updates };
}
