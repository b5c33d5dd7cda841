/** The data set inside the package: what makes a first training possible without a download. data/README.md states its origin. */

import { join } from 'node:path';
import { packageRoot } from '../installation';
import type { TrainTest } from './dataset';
import { directory } from './directory';
import { FASHION_MNIST } from './mnist';

/**
 * A class-balanced subset of Fashion-MNIST that comes with the package: 6,000 training and 1,000 test images of clothing,
 * 28x28 greyscale, ten classes. LeNet learns it to an accuracy of more than 0.8 in seconds.
 *
 * @throws StridenetError ERR_DATA_UNAVAILABLE or ERR_BAD_FILE when the installation is damaged
 * @example const { train, test } = await data.mini();
 */
export async function mini(): Promise<TrainTest> {
  return directory(join(packageRoot('ERR_DATA_UNAVAILABLE'), 'data', 'fashion-mnist-mini'), { classes: FASHION_MNIST.classes });
}
