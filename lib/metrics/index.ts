/** The public `metrics` namespace: what `fit`, `evaluate` and `Trainer` measure beside the loss. */

export { accuracy, topK, type AccuracyOptions, type TopKOptions } from './accuracy';
export { auc, type AucOptions } from './auc';
export { confusionMatrix, f1, iou, precision, recall } from './confusion';
export type { Average, ClassScoreOptions, ConfusionMatrixOptions } from './confusion';
export { meanAbsoluteError, meanSquaredError } from './difference';
export type { MetricEntry, MetricName } from './list';
export type { Metric, MetricFunction, MetricOptions, MetricValue } from './metric';
