/** RandAugment and TrivialAugmentWide: every picture is what one of the fourteen operations makes of it with one of the magnitudes, and all occur. */
import { transforms } from '../../lib/index';
import { binding } from '../../lib/runtime/binding';
import { Augmenter } from '../../lib/transforms/augmenter';
import type { Transform } from '../../lib/transforms';

const [HEIGHT, WIDTH] = [40, 44];
const SIZE = 3 * HEIGHT * WIDTH;
const picture = Uint8Array.from({ length: SIZE }, (_, i) => 20 + ((i % WIDTH) * 3 + Math.floor(i / WIDTH) * 2 + ((i * 7) % 31)) / 2.1);

interface Ranges {
  readonly shear: number;
  readonly across: number;
  readonly down: number;
  readonly rotate: number;
  readonly colour: number;
  readonly bits: number;
}

/** The operations of torchvision's _AUGMENTATION_SPACE with one magnitude, an amount in [0, 1], as calls of single operations. */
function candidates(amount: number, ranges: Ranges): [name: string, numbers: number[]][] {
  const unsampled = [0, 0, 0, 0, 0];
  const degrees = (v: number): number => (Math.atan(v) * 180) / Math.PI;
  const signed = (sign: number): [string, number[]][] => {
    const at = sign * amount;
    return [
      ['affine', [0, 0, 0, 1, degrees(ranges.shear * at), 0, -WIDTH / 2, -HEIGHT / 2, ...unsampled]],
      ['affine', [0, 0, 0, 1, 0, degrees(ranges.shear * at), -WIDTH / 2, -HEIGHT / 2, ...unsampled]],
      ['affine', [0, Math.trunc(ranges.across * at), 0, 1, 0, 0, 0, 0, ...unsampled]],
      ['affine', [0, 0, Math.trunc(ranges.down * at), 1, 0, 0, 0, 0, ...unsampled]],
      ['affine', [-ranges.rotate * at, 0, 0, 1, 0, 0, 0, 0, ...unsampled]],
      ...['adjustBrightness', 'adjustSaturation', 'adjustContrast', 'adjustSharpness'].map((name): [string, number[]] => [
        name,
        [1 + ranges.colour * at],
      ]),
    ];
  };
  return [
    ['crop', [0, 0, HEIGHT, WIDTH, 0, 0, 0, 0]],
    ...signed(1),
    ...signed(-1),
    ['posterize', [8 - ranges.bits * amount]],
    ['solarize', [255 * (1 - amount)]],
    ['autocontrast', []],
    ['equalize', []],
  ];
}

function keyOf(image: Uint8Array): string {
  return Buffer.from(image).toString('base64');
}

/** How often each of `calls` was made of the picture; fails for a picture that none of them makes. */
async function countCalls(transform: Transform, calls: readonly [string, number[]][]): Promise<number[]> {
  const shape = Int32Array.of(3, HEIGHT, WIDTH, 0);
  const found = new Map(
    calls.map(([name, numbers], i) => [keyOf(binding().applyOperation(name, Float64Array.from(numbers), shape, picture)), i]),
  );
  const count = 600;
  const images = new Uint8Array(count * SIZE);
  for (let i = 0; i < count; i++) images.set(picture, i * SIZE);
  const into = new Uint8Array(images.length);
  const augmenter = new Augmenter('fit', [transform], { shape: [3, HEIGHT, WIDTH], layout: 'nchw' });
  await augmenter.run(
    images,
    Int32Array.from({ length: count }, (_, i) => i),
    { seed: 1, epoch: 0 },
    into,
  );
  const times = calls.map(() => 0);
  for (let i = 0; i < count; i++) {
    const call = found.get(keyOf(into.subarray(i * SIZE, (i + 1) * SIZE)));
    if (call === undefined) throw new Error(`picture ${i} is none of the candidates`);
    times[call]!++;
  }
  return times;
}

test('randAugment', async () => {
  const ranges = { shear: 0.3, across: (150 / 331) * WIDTH, down: (150 / 331) * HEIGHT, rotate: 30, colour: 0.9, bits: 4 };
  const times = await countCalls(transforms.randAugment({ numOps: 1, magnitude: 2, numMagnitudeBins: 3 }), candidates(1, ranges));
  // 14 operations, those with a sign at two places.
  expect(Math.min(...times)).toBeGreaterThan(5);
});

test('trivialAugmentWide', async () => {
  const ranges = { shear: 0.99, across: 32, down: 32, rotate: 135, colour: 0.99, bits: 6 };
  const whole = candidates(1, ranges);
  const times = await countCalls(
    transforms.trivialAugmentWide({ numMagnitudeBins: 3 }),
    [0, 0.5, 1].flatMap((amount) => candidates(amount, ranges)),
  );
  expect(Math.min(...times.slice(-whole.length))).toBeGreaterThan(1);
});
