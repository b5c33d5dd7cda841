/** The public `models` namespace: functions that build well-known networks. */

export { alexnet, type AlexNet, type AlexNetOptions } from './alexnet';
export type { ClassifierOptions, DropoutOptions } from './common';
export { densenet121, type DenseNet, type DenseNetOptions } from './densenet';
export { googlenet, type GoogLeNet, type GoogLeNetOptions } from './googlenet';
export { lenet5, type LeNet5Options } from './lenet';
export { mobilenetV2, type MobileNetV2, type MobileNetV2Options } from './mobilenet';
export { nin, type NiNOptions } from './nin';
export {
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  resnetCifar,
  type ResNet,
  type ResNetCifar,
  type ResNetOptions,
} from './resnet';
export { vgg11, vgg11bn, vgg13, vgg13bn, vgg16, vgg16bn, vgg19, vgg19bn, type VGG, type VGGOptions } from './vgg';
