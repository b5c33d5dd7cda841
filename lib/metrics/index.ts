/** The public namespace `metrics`. */

export { accuracy } from './accuracy';
export type { Metric, MetricLike, MetricValue, Total } from './metric';
