/**
 * What papers and torchvision publish about the networks of lib/models, and what ours have: the facts behind zoo.test.ts and scripts/zooTable.ts.
 * torchvision.json (names, shapes and exact counts) is written by generate.py.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { models, summary, type nn } from 'stridenet';

interface TorchvisionModel {
  readonly parameters: number;
  readonly multiplyAdds: number;
  /** "name [shape]", in order; without num_batches_tracked. */
  readonly state: readonly string[];
}

/** By the model's name; at [1, 3, 224, 224]. */
export const TORCHVISION = JSON.parse(readFileSync(join(__dirname, 'torchvision.json'), 'utf8')) as Readonly<
  Record<string, TorchvisionModel>
>;

export interface PublishedModel {
  readonly title: string;
  readonly build: () => nn.Module;
  /** [C, H, W] */
  readonly input: readonly number[];
  readonly parameters: number;
  /** For one image, in the digits of the publication: `4.089 G`. */
  readonly multiplyAdds: string;
  /** Names, shapes and exact counts, where torchvision has the same network. */
  readonly torchvision?: TorchvisionModel;
}

const [IMAGENET, CIFAR] = [
  [3, 224, 224],
  [3, 32, 32],
];

type FixedModel = keyof { [K in keyof typeof models as (typeof models)[K] extends () => nn.Module ? K : never]: true };

const fromTorchvision = (name: FixedModel, parameters: number, multiplyAdds: string): PublishedModel => ({
  title: name,
  build: () => models[name](),
  input: IMAGENET,
  parameters,
  multiplyAdds,
  torchvision: TORCHVISION[name]!,
});

const resnetCifar = (depth: number, parameters: number, multiplyAdds: string): PublishedModel => ({
  title: `resnetCifar(${depth})`,
  build: () => models.resnetCifar(depth),
  input: CIFAR,
  parameters,
  multiplyAdds,
});

export const PUBLISHED: readonly PublishedModel[] = [
  fromTorchvision('alexnet', 61_100_840, '0.714 G'),
  fromTorchvision('vgg11', 132_863_336, '7.609 G'),
  fromTorchvision('vgg11bn', 132_868_840, '7.609 G'),
  fromTorchvision('vgg13', 133_047_848, '11.308 G'),
  fromTorchvision('vgg13bn', 133_053_736, '11.308 G'),
  fromTorchvision('vgg16', 138_357_544, '15.470 G'),
  fromTorchvision('vgg16bn', 138_365_992, '15.470 G'),
  fromTorchvision('vgg19', 143_667_240, '19.632 G'),
  fromTorchvision('vgg19bn', 143_678_248, '19.632 G'),
  fromTorchvision('googlenet', 13_004_888, '1.498 G'),
  fromTorchvision('resnet18', 11_689_512, '1.814 G'),
  fromTorchvision('resnet34', 21_797_672, '3.664 G'),
  fromTorchvision('resnet50', 25_557_032, '4.089 G'),
  fromTorchvision('resnet101', 44_549_160, '7.801 G'),
  fromTorchvision('resnet152', 60_192_808, '11.514 G'),
  fromTorchvision('densenet121', 7_978_856, '2.834 G'),
  fromTorchvision('mobilenetV2', 3_504_872, '0.301 G'),
  {
    title: 'googlenet without auxiliary heads',
    build: () => models.googlenet({ auxLogits: false }),
    input: IMAGENET,
    parameters: 6_624_904,
    multiplyAdds: '1.498 G',
  },
  {
    title: 'resnet18 with the CIFAR stem, 10 classes',
    build: () => models.resnet18({ stem: 'cifar', classes: 10 }),
    input: CIFAR,
    parameters: 11_173_962,
    multiplyAdds: '0.56 G',
  },
  { title: 'lenet5', build: () => models.lenet5(), input: [1, 28, 28], parameters: 61_706, multiplyAdds: '0.417 M' },
  { title: 'nin', build: () => models.nin(), input: IMAGENET, parameters: 7_439_608, multiplyAdds: '966 M' },
  {
    title: 'nin, 1 channel, 10 classes',
    build: () => models.nin({ inChannels: 1, classes: 10 }),
    input: [1, 224, 224],
    parameters: 1_992_166,
    multiplyAdds: '762 M',
  },
  resnetCifar(20, 269_722, '40.6 M'),
  resnetCifar(32, 464_154, '68.9 M'),
  resnetCifar(44, 658_586, '97.2 M'),
  resnetCifar(56, 853_018, '125.5 M'),
  resnetCifar(110, 1_727_962, '252.9 M'),
];

/** What ours has, in the form of the publication. */
export interface Computed {
  readonly parameters: number;
  /** Exact. */
  readonly multiplyAdds: number;
  /** In the digits of the publication. */
  readonly rounded: string;
  readonly outputShape: readonly number[];
  readonly state: readonly string[];
}

export function compute({ build, input, multiplyAdds }: PublishedModel): Computed {
  const model = build();
  const s = summary(model, [1, ...input]);
  const [number, unit] = multiplyAdds.split(' ') as [string, 'G' | 'M'];
  const digits = number.split('.')[1]?.length ?? 0;
  return {
    parameters: s.parameters,
    multiplyAdds: s.multiplyAdds,
    rounded: `${(s.multiplyAdds / { G: 1e9, M: 1e6 }[unit]).toFixed(digits)} ${unit}`,
    outputShape: s.layers.at(-1)!.outputShape,
    state: [...model.stateDict()]
      .filter(([name]) => !name.endsWith('num_batches_tracked'))
      .map(([name, { shape }]) => `${name} [${shape.join()}]`),
  };
}
