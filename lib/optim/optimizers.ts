/**
 * The table of optimizers: `optim` exports what stands here, and a checkpoint makes its optimizer again by the name in it. A new one is a
 * file of its own and a line of this one.
 */

export { sgd, type SgdOptions } from './sgd';
