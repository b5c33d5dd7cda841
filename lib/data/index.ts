/** The public namespace `data`. */

export { arrays, type ArraysOptions } from './arrays';
export {
  subset,
  take,
  type AnyDataset,
  type Dataset,
  type DatasetFacts,
  type DatasetLike,
  type DatasetStream,
  type Example,
  type LabelArray,
  type LazyDataset,
  type TrainTest,
} from './dataset';
export { directory, type DirectoryOptions } from './directory';
export { readIdx, type IdxArray } from './idx';
export { mini } from './mini';
export { fashionMnist, mnist, type MnistOptions } from './mnist';
export { preview, type PreviewOptions } from './preview';
export type { ClassNumbers, Pixels } from './values';
