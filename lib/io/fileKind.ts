/** What a file that was taken for another is, told by its first bytes. */

/** So many bytes are enough to tell. */
export const KIND_BYTES = 512;

interface Kind {
  /** Ends the sentence "it is". */
  readonly text: string;
  readonly test: (bytes: Buffer, text: string) => boolean;
}

const startsWith = (latin1: string) => (bytes: Buffer) => bytes.subarray(0, latin1.length).equals(Buffer.from(latin1, 'latin1'));

/** The name of the first file in a zip archive. */
function firstInZip(bytes: Buffer): string | undefined {
  if (bytes.length < 30 || !startsWith('PK\x03\x04')(bytes)) return undefined;
  return bytes.toString('latin1', 30, 30 + bytes.readUInt16LE(26));
}

const CONVERT = 'in Python, safetensors.torch.save_file writes its tensors as safetensors';

/** The first that fits counts. */
const KINDS: readonly Kind[] = [
  {
    text: 'a Git LFS pointer in place of the file, which "git lfs pull" fetches',
    test: startsWith('version https://git-lfs.github.com/'),
  },
  {
    text: 'an HTML page, such as a server sends instead of a file',
    test: (_, text) => /^\s*<(!doctype html|html|head|body)\b/i.test(text),
  },
  { text: 'an XML text, such as a server sends instead of a file', test: (_, text) => /^\s*<\?xml\b/i.test(text) },
  { text: 'a NumPy archive (.npz)', test: (bytes) => /\.npy$/.test(firstInZip(bytes) ?? '') },
  {
    text: 'a Keras archive (.keras)',
    test: (bytes) => /^(metadata\.json|config\.json|model\.weights\.h5)$/.test(firstInZip(bytes) ?? ''),
  },
  {
    text: `a PyTorch pickle (.pth, .pt); ${CONVERT}`,
    test: (bytes) => /\/data\.pkl$/.test(firstInZip(bytes) ?? ''),
  },
  {
    text: `a zip archive, perhaps a PyTorch pickle (.pth, .pt); ${CONVERT}`,
    test: startsWith('PK'),
  },
  {
    text: `a PyTorch pickle (.pth, .pt) or another of Python; ${CONVERT}`,
    test: (bytes) => bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5,
  },
  { text: 'gzipped; unpack it first', test: startsWith('\x1f\x8b') },
  { text: 'compressed by xz; unpack it first', test: startsWith('\xfd7zXZ\0') },
  { text: 'compressed by bzip2; unpack it first', test: startsWith('BZh') },
  { text: 'compressed by zstd; unpack it first', test: startsWith('\x28\xb5\x2f\xfd') },
  { text: 'a tar archive; unpack it first', test: (bytes) => bytes.toString('latin1', 257, 262) === 'ustar' },
  { text: 'a NumPy array (.npy)', test: startsWith('\x93NUMPY') },
  { text: 'an HDF5 file (.h5), as Keras writes them', test: startsWith('\x89HDF\r\n\x1a\n') },
  { text: 'a GGUF file', test: startsWith('GGUF') },
  { text: 'a TensorFlow Lite model', test: (bytes) => bytes.toString('latin1', 4, 8) === 'TFL3' },
  // Protobuf: the version (field 1), then the name of the program that wrote it (field 2) in letters.
  { text: 'an ONNX model', test: (bytes) => bytes[0] === 0x08 && bytes[2] === 0x12 && /^[\w.-]{3}/.test(bytes.toString('latin1', 4, 7)) },
  { text: 'a PNG picture', test: startsWith('\x89PNG') },
  { text: 'a JPEG picture', test: startsWith('\xff\xd8\xff') },
  { text: 'a PDF document', test: startsWith('%PDF') },
  {
    text: 'the JSON index of weights in several files; load those that it names',
    test: (_, text) => /^\s*\{/.test(text) && text.includes('"weight_map"'),
  },
  { text: 'JSON text', test: (_, text) => /^\s*[{[]\s*["{[\]}\d-]/.test(text) },
  { text: 'a safetensors file', test: (bytes) => /^\{\s*"/.test(bytes.toString('latin1', 8, 72)) && bytes[6] === 0 && bytes[7] === 0 },
  { text: 'text', test: (bytes, text) => bytes.length > 0 && /^[\t\n\r\x20-\x7e]*$/.test(text) },
];

/** The kind of a file by its first bytes (KIND_BYTES, or all that it has), as the end of a sentence; undefined for one that is not known. */
export function kindOf(bytes: Uint8Array): string | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('latin1').replace(/^\xef\xbb\xbf/, '');
  return KINDS.find(({ test }) => test(buffer, text))?.text;
}
