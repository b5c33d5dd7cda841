/**
 * Gives protobuf's runtime Node's text encoding where the environment has none of its own (Jest with jsdom). To be imported before anything
 * else of protobuf, which looks for it while it loads.
 */

import { TextDecoder, TextEncoder, toUSVString } from 'node:util';
import { configureTextEncoding } from '@bufbuild/protobuf/wire';

if (!('TextEncoder' in globalThis && 'TextDecoder' in globalThis)) {
  const encoder = new TextEncoder();
  const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
  const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  configureTextEncoding({
    encodeUtf8: (text) => encoder.encode(text),
    decodeUtf8: (bytes, isStrict) => (isStrict ? strict : lenient).decode(bytes),
    checkUtf8: (text) => toUSVString(text) === text,
  });
}
