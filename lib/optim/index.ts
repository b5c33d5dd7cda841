/** The public `optim` namespace: optimizers and learning rate schedules. */

export type { Optimizer } from './optimizer';
export { constant, cosine, type CosineOptions, type Schedule, type ScheduleStep } from './schedule';
export { sgd, type SgdOptions } from './sgd';
