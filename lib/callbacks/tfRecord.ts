/**
 * TFRecord: the framing of records in TensorFlow's files. A record is its length (8 bytes, little endian), a masked CRC-32C of these, the
 * bytes, and a masked CRC-32C of them (tensorflow/core/lib/io/record_writer.h). It knows nothing of what records hold.
 */

/** CRC-32C (Castagnoli), bit-reversed polynomial: the remainder of each byte. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  return remainder;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A checksum of data that may hold checksums is rotated and moved by a constant. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** The record with its frame. */
export function frameRecord(record: Uint8Array): Buffer {
  const framed = Buffer.alloc(record.length + 16);
  framed.writeBigUInt64LE(BigInt(record.length), 0);
  framed.writeUInt32LE(maskedCrc(framed.subarray(0, 8)), 8);
  framed.set(record, 12);
  framed.writeUInt32LE(maskedCrc(record), record.length + 12);
  return framed;
}
