/** The public `optim` namespace: optimizers and learning rate schedules. */

export type { Assignment, Optimizer } from './optimizer';
export { noDecayOnNormAndBias, type ParameterGroup, type ParameterMatch } from './groups';
export * from './optimizers';
export * from './schedule';
export type { Update } from '../graph/graph';
