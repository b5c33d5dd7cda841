/** The public namespace `callbacks`. */

export { checkpoint, type CheckpointOptions } from './checkpoint';
export { earlyStopping, type EarlyStoppingOptions } from './earlyStopping';
export type { MonitorMode } from './monitor';
