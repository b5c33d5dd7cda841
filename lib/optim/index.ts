/** The public `optim` namespace: optimizers and learning rate schedules. */

export type { Assignment, Optimizer } from './optimizer';
export * from './optimizers';
export { constant, cosine, type CosineOptions, type Schedule, type ScheduleStep } from './schedule';
export type { Update } from '../graph/graph';
