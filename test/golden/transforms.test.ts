/** Operations on pictures beside torchvision.transforms.v2.functional on uint8 tensors, with given parameters (generateTransforms.py). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { binding } from '../../lib/runtime/binding';

interface Golden {
  readonly pictures: Readonly<Record<string, { readonly shape: readonly number[]; readonly pixels: string }>>;
  readonly results: readonly {
    readonly operation: string;
    readonly numbers: readonly number[];
    readonly picture: string;
    readonly shape: readonly number[];
    readonly result: string;
  }[];
}

const { pictures, results } = JSON.parse(gunzipSync(readFileSync(path.join(__dirname, 'transforms.json.gz'))).toString()) as Golden;

/** The greatest mean difference in levels: of what moves pixels, whose places are rounded, and of the rest. */
const MOST_MOVED = 1;
const MOST = 0.5;
const MOVING = ['affine', 'perspective', 'resizedCrop'];

/** Without rounding there is nothing that could differ. */
const EXACT = ['crop', 'horizontalFlip', 'verticalFlip', 'posterize', 'solarize', 'invert', 'equalize', 'erase'];

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

test.each([...new Set(results.map(({ operation }) => operation))])('%s', (operation) => {
  const worst = EXACT.includes(operation) ? 0 : MOVING.includes(operation) ? MOST_MOVED : MOST;
  let greatest = 0;
  for (const { numbers, picture, result } of results.filter((each) => each.operation === operation)) {
    const { shape, pixels } = pictures[picture]!;
    const got = binding().applyOperation(operation, Float64Array.from(numbers), Int32Array.of(...shape, 0), bytesOf(pixels));
    const expected = bytesOf(result);
    const sum = got.reduce((total, level, i) => total + Math.abs(level - expected[i]!), 0);
    const difference = got.length === expected.length ? sum / got.length : NaN;
    greatest = Math.max(greatest, difference);
  }
  expect(greatest).toBeLessThanOrEqual(worst);
});

test('every operation is compared', () => {
  expect(new Set(results.map(({ operation }) => operation)).size).toBe(19);
});
