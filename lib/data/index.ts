/** The public namespace `data`. */

export { subset, take, type Dataset, type TrainTest } from './dataset';
export { directory, type DirectoryOptions } from './directory';
export { readIdx, type IdxArray } from './idx';
export { mini } from './mini';
export { fashionMnist, mnist, type MnistOptions } from './mnist';
