/**
 * The table of optimizers: `optim` exports what stands here, and a checkpoint makes its optimizer again by the name in it. A new one is a
 * file of its own and a line of this one.
 */

export { adadelta, type AdadeltaOptions } from './adadelta';
export { adagrad, type AdagradOptions } from './adagrad';
export { adam, adamw, type AdamOptions } from './adam';
export { lamb, type LambOptions } from './lamb';
export { lars, type LarsOptions } from './lars';
export { nadam, type NadamOptions } from './nadam';
export { rmsprop, type RmspropOptions } from './rmsprop';
export { sgd, type SgdOptions } from './sgd';
