/** The public namespace `data`. */

export { arrays, type ArraysOptions } from './arrays';
export { balance, classWeights, type BalanceOptions } from './balance';
export { cifar10, cifar100, type Cifar100Options } from './cifar';
export { concat } from './concat';
export type {
  AnyDataset,
  Dataset,
  DatasetFacts,
  DatasetLike,
  DatasetStream,
  Example,
  LabelArray,
  LazyDataset,
  TrainTest,
} from './dataset';
export { directory, type DirectoryOptions } from './directory';
export { readIdx, type IdxArray } from './idx';
export type { GivenExample } from './examples';
export { from, type ExampleSequence, type ExampleSource, type FromOptions } from './from';
export { imageFolder, type ImageFolderOptions } from './imageFolder';
export { imageList, type ImageListOptions, type ImageRow } from './imageList';
export { map, type ExampleFunction, type MapOptions, type MappedExample } from './map';
export { mini } from './mini';
export { fashionMnist, mnist, type MnistOptions } from './mnist';
export { preview, type PreviewOptions } from './preview';
export { npy, type NpyArray, type NpyType } from './npy';
export { npz } from './npz';
export type { Picture, PictureDataset, PictureFilesOptions, PictureFit, PictureOptions } from './picture';
export { readImage, type ReadImageOptions } from './readImage';
export { skip, subset, take } from './select';
export { shuffleBuffer, type ShuffleBufferOptions } from './shuffleBuffer';
export { split, type DatasetParts, type SplitOptions } from './split';
export type { ClassNumbers, Pixels, SampleWeights } from './values';
