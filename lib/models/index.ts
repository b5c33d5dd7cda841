/** The public `models` namespace: functions that build well-known networks. */

export { lenet5, type LeNet5Options } from './lenet';
