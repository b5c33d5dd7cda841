/** PNG files as sharp, and so libpng, reads them. */

import sharp from 'sharp';
import { encodePngSync } from '../../lib/io/png';
import { Philox } from '../../lib/random';
import { expectError } from '../support/expectError';

test.each([1, 2, 3, 4])('every pixel of %i channels comes back', async (channels) => {
  const [width, height] = [7, 5];
  const random = new Philox(channels);
  const data = Uint8Array.from({ length: width * height * channels }, () => random.uint32() & 255);
  const { data: read, info } = await sharp(encodePngSync({ data, width, height, channels })).raw().toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ width, height });
  // sharp gives gray images as they are or as RGB.
  const pixel = (i: number): number[] => [...read.subarray(i * info.channels, (i + 1) * info.channels)];
  for (let i = 0; i < width * height; i++) {
    const expected = [...data.subarray(i * channels, (i + 1) * channels)];
    const gray = info.channels > channels ? [expected[0]!, expected[0]!, ...expected] : expected;
    expect(pixel(i)).toEqual(gray);
  }
});

test('what is no picture is refused', () => {
  const picture = { data: new Uint8Array(4), width: 2, height: 2, channels: 1 };
  expect(Buffer.from(encodePngSync(picture).subarray(1, 4)).toString()).toBe('PNG');
  expectError('ERR_INVALID_ARGUMENT', () => encodePngSync({ ...picture, width: 3 }), 'height x width x channels');
  expectError('ERR_INVALID_ARGUMENT', () => encodePngSync({ ...picture, width: 0, height: 0, data: new Uint8Array() }));
  expectError('ERR_INVALID_ARGUMENT', () => encodePngSync({ ...picture, channels: 5, data: new Uint8Array(20) }));
  expectError('ERR_INVALID_ARGUMENT', () => encodePngSync({ ...picture, data: [0, 0, 0, 0] as never }));
  expectError('ERR_INVALID_ARGUMENT', () => encodePngSync(undefined as never));
});
