/** Event files read back: frames with their checksums, and the messages in them. Written apart from lib/callbacks/tfRecord.ts. */

import { fromBinary } from '@bufbuild/protobuf';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { EventSchema, type Event, type Summary_Value } from '../../lib/callbacks/event_pb';

/** CRC-32C bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

function checkSum(bytes: Uint8Array, masked: number): void {
  const rotated = (masked - 0xa282ead8) >>> 0;
  if (((rotated << 15) | (rotated >>> 17)) >>> 0 !== crc32c(bytes)) throw new Error('a checksum differs');
}

export function readEvents(bytes: Buffer): Event[] {
  const events: Event[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    checkSum(bytes.subarray(at, at + 8), bytes.readUInt32LE(at + 8));
    const record = bytes.subarray(at + 12, at + 12 + length);
    checkSum(record, bytes.readUInt32LE(at + 12 + length));
    events.push(fromBinary(EventSchema, record));
    at += length + 16;
  }
  return events;
}

/** The events of every event file of a folder, after checking that each says its version first. */
export function eventsOf(folder: string): Event[] {
  const files = readdirSync(folder).filter((name) => name.includes('tfevents')).sort(); // prettier-ignore
  return files.flatMap((name) => {
    const [version, ...events] = readEvents(readFileSync(path.join(folder, name)));
    expect(version!.what).toEqual({ case: 'fileVersion', value: 'brain.Event:2' });
    return events;
  });
}

/** The values of a folder by tag, with their steps. */
export function valuesOf(folder: string): Map<string, [step: number, value: Summary_Value][]> {
  const values = new Map<string, [number, Summary_Value][]>();
  for (const { step, what } of eventsOf(folder)) {
    if (what.case !== 'summary') throw new Error(`an event is no summary but ${what.case}`);
    for (const value of what.value.value) values.set(value.tag, [...(values.get(value.tag) ?? []), [Number(step), value]]);
  }
  return values;
}

/** Steps and numbers of a curve. */
export function curve(values: ReturnType<typeof valuesOf>, tag: string): [number, number][] {
  return values.get(tag)!.map(([step, { value }]) => {
    if (value.case !== 'simpleValue') throw new Error(`${tag} is no scalar but ${value.case}`);
    return [step, value.value];
  });
}
