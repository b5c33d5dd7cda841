/**
 * JSON that comes from files of strangers: bounded in depth, so that no text costs many times its own length, and large objects in parts,
 * so that nothing else waits for them.
 */

import { isUtf8 } from 'node:buffer';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** A text in one piece is no longer than this. */
const MOST_CHARACTERS = 1 << 24;
/** Parsed at a time; a part takes a millisecond or two. */
const PART_BYTES = 1 << 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Limits of a text, unless it is short. */
export interface JsonLimits {
  /** Objects and arrays inside each other. */
  readonly depth: number;
  /** Members of the object. */
  readonly members: number;
  /** The most bytes of one member. */
  readonly memberBytes: number;
}

/** What a text is not, as the end of a sentence. */
export class JsonFault extends Error {}

/**
 * The value of a text.
 * @param depth objects and arrays inside each other at most
 * @throws JsonFault
 */
export function parseJson(text: string, depth = 16): unknown {
  if (text.length > MOST_CHARACTERS) throw new JsonFault(`it takes ${text.length} characters, over the limit of ${MOST_CHARACTERS}`);
  const bytes = Buffer.from(text);
  let level = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === QUOTE) i = endOfString(bytes, i);
    else level = enter(level, bytes[i]!, depth);
  }
  return parse(text);
}

/**
 * The members of the object that `text` is, read in parts of some kilobytes each. One that is no longer than a part is read at once, whatever
 * is in it: limits do not matter then, and of two members of one name the last counts.
 * @param texts name of a member whose value is an object of strings, which may be as long as they like
 * @throws JsonFault when it is no JSON object, two members have one name, or a limit is exceeded
 */
export async function readJsonMembers(text: Uint8Array, limits: JsonLimits, texts?: string): Promise<Map<string, unknown>> {
  if (text.length <= PART_BYTES) return new Map(Object.entries(parseObject(text)));
  const found = new Map<string, unknown>();
  const add = (name: string, value: unknown): void => {
    if (found.has(name)) throw new JsonFault('it has two members of one name');
    found.set(name, value);
  };
  let members = 0;
  for await (const part of splitMembers(text, limits.depth)) {
    members += part.members;
    if (members > limits.members) throw new JsonFault(`it has more than ${limits.members} members`);
    const inner = texts === undefined ? undefined : longObject(part, texts);
    if (inner) {
      add(texts!, Object.fromEntries(await readJsonMembers(inner, { ...limits, depth: 1, memberBytes: Infinity })));
      continue;
    }
    if (part.members === 1 && part.text.length > limits.memberBytes) {
      throw new JsonFault(`a member takes ${part.text.length} bytes, over the limit of ${limits.memberBytes}`);
    }
    const entries = Object.entries(parse(`{${textOf(part.text)}}`) as object);
    if (entries.length < part.members) throw new JsonFault('it has two members of one name, or a comma without a member');
    for (const [name, value] of entries) add(name, value);
  }
  return found;
}

interface Part {
  /** Whole members with the commas between them. */
  readonly text: Uint8Array;
  readonly members: number;
}

/**
 * Cuts an object at the commas between its members. Whether each part is JSON in braces is for the caller to find out: then the whole is.
 * A member longer than a part comes alone.
 */
async function* splitMembers(text: Uint8Array, depth: number): AsyncGenerator<Part> {
  checkBrace(text);
  let level = 0;
  let begin = 1; // where the part begins
  let lastComma = 0; // the last comma between members of the part
  let members = 0; // members of the part before that comma
  let rested = 0; // up to where the text was read when the event loop last turned
  const cut = (end: number, count: number): Part => {
    const part = { text: text.subarray(begin, end), members: count };
    begin = end + 1;
    members = 0;
    return part;
  };
  for (let i = 0; i < text.length; i++) {
    if (i - rested > PART_BYTES) {
      await nextTurn();
      rested = i;
    }
    const c = text[i]!;
    if (c === QUOTE) {
      i = endOfString(text, i);
    } else if (c === COMMA && level === 1) {
      if (members > 0 && i - begin > PART_BYTES) yield cut(lastComma, members);
      lastComma = i;
      members++;
      if (i - begin > PART_BYTES) yield cut(i, members);
    } else {
      level = enter(level, c, depth);
      if (level > 0) continue;
      if (c !== CLOSE_BRACE || !isBlank(text.subarray(i + 1))) throw new JsonFault('it is not JSON (something follows its end)');
      if (members > 0 && i - begin > PART_BYTES) yield cut(lastComma, members);
      const empty = begin === 1 && isBlank(text.subarray(begin, i));
      if (!empty) yield cut(i, members + 1);
      return;
    }
  }
  throw new JsonFault('it is not JSON (it ends in the middle)');
}

/** The value of the member called `name` if the part is that and its value is an object so long that it is to be read in parts. */
function longObject({ text, members }: Part, name: string): Uint8Array | undefined {
  if (members > 1 || text.length <= PART_BYTES) return undefined;
  const match = /^\s*("[^"\\]*")\s*:\s*(?=\{)/.exec(Buffer.from(text.buffer, text.byteOffset, 256).toString('latin1'));
  return match?.[1] === JSON.stringify(name) ? text.subarray(match[0].length) : undefined;
}

function parseObject(text: Uint8Array): object {
  checkBrace(text);
  return parse(textOf(text)) as object;
}

function checkBrace(text: Uint8Array): void {
  if (text[0] !== OPEN_BRACE) throw new JsonFault('it does not begin with "{"');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The message quotes the text, which may hold what a terminal obeys.
    throw new JsonFault(`it is not JSON (${(error as Error).message.replace(/[^\x20-\x7e]/g, '?')})`);
  }
}

/** The depth after a byte outside of strings. */
function enter(level: number, c: number, most: number): number {
  if (c === OPEN_BRACE || c === OPEN_BRACKET) {
    if (level === most) throw new JsonFault(`objects and arrays lie inside each other more than ${most} deep`);
    return level + 1;
  }
  return c === CLOSE_BRACE || c === CLOSE_BRACKET ? level - 1 : level;
}

/** The place of the quotation mark that ends the string which begins at `begin`. */
function endOfString(text: Uint8Array, begin: number): number {
  for (let i = begin + 1; i < text.length; i++) {
    if (text[i] === BACKSLASH) i++;
    else if (text[i] === QUOTE) return i;
  }
  throw new JsonFault('it is not JSON (it ends in the middle of a string)');
}

function isBlank(text: Uint8Array): boolean {
  return text.every((c) => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09);
}

/** @throws JsonFault */
function textOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new JsonFault('it is not JSON (it is not UTF-8)');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
