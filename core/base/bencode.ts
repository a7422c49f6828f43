// Strict, bounded bencode decoding (BEP 3): iterative, so depth cannot overflow the stack; every limit is explicit.
// Dictionaries keep raw keys and the raw span of every value, because info hashes are taken over bytes as found.
import { compareBytes, latin1, textOf, utf8 } from './bytes.ts';
import { accept, type Result, reject } from './result.ts';

export type BencodeValue = number | bigint | Uint8Array | BencodeList | BencodeDict;
export type BencodeList = readonly BencodeValue[];

export interface BencodeLimits {
  readonly maxBytes: number;
  /** Nesting of lists and dictionaries. */
  readonly maxDepth: number;
  /** Values of every kind, in total. */
  readonly maxItems: number;
}

/** For single messages from the network. */
export const MESSAGE_LIMITS: BencodeLimits = { maxBytes: 1 << 20, maxDepth: 16, maxItems: 20_000 };

export interface BencodeOptions {
  readonly limits?: BencodeLimits;
  /** Accept unsorted keys (live torrents have them). Duplicate keys are refused always. Default false. */
  readonly allowUnsorted?: boolean;
  /** Accept `i-0e`, `i05e`: hashes are over raw bytes, so this is safe for reading. Default false. */
  readonly allowLooseIntegers?: boolean;
  /** Accept bytes after the value; `end` tells where it stopped (BEP 9 data messages). Default false. */
  readonly allowTrailing?: boolean;
}

class DictEntry {
  readonly key: Uint8Array;
  readonly value: BencodeValue;
  readonly #input: Uint8Array;
  readonly #start: number;
  readonly #end: number;

  constructor(key: Uint8Array, value: BencodeValue, input: Uint8Array, start: number, end: number) {
    this.key = key;
    this.value = value;
    this.#input = input;
    this.#start = start;
    this.#end = end;
  }

  /** The raw encoding of the value as it stood in the input. A view made on demand: few entries are ever asked. */
  get raw(): Uint8Array {
    return this.#input.subarray(this.#start, this.#end);
  }
}

/** A dictionary with byte keys in the order found. Look-ups take ASCII/UTF-8 names. */
export class BencodeDict {
  readonly #entries: Map<string, DictEntry>;

  constructor(entries: Map<string, DictEntry>) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(name: string): boolean {
    return this.#entries.has(keyOf(name));
  }

  get(name: string): BencodeValue | undefined {
    return this.#entries.get(keyOf(name))?.value;
  }

  /** The value's own encoding, byte for byte. */
  rawOf(name: string): Uint8Array | undefined {
    return this.#entries.get(keyOf(name))?.raw;
  }

  bytes(name: string): Uint8Array | undefined {
    const value = this.get(name);
    return value instanceof Uint8Array ? value : undefined;
  }

  /** The value as loosely decoded UTF-8: for showing, and for ASCII protocol words. */
  text(name: string): string | undefined {
    const value = this.bytes(name);
    return value === undefined ? undefined : textOf(value);
  }

  /** A safe integer; undefined for anything else, bigger integers included. */
  integer(name: string): number | undefined {
    const value = this.get(name);
    return typeof value === 'number' ? value : undefined;
  }

  list(name: string): BencodeList | undefined {
    const value = this.get(name);
    return Array.isArray(value) ? value : undefined;
  }

  dict(name: string): BencodeDict | undefined {
    const value = this.get(name);
    return value instanceof BencodeDict ? value : undefined;
  }

  /** In the order found. */
  entries(): IterableIterator<DictEntry> {
    return this.#entries.values();
  }
}

function keyOf(name: string): string {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0x7f) return latin1(utf8(name));
  return name;
}

export function isDict(value: BencodeValue | undefined): value is BencodeDict {
  return value instanceof BencodeDict;
}

interface Frame {
  readonly list: BencodeValue[] | undefined;
  readonly entries: Map<string, DictEntry> | undefined;
  readonly start: number;
  key: Uint8Array | undefined;
  keyText: string;
  lastKey: Uint8Array | undefined;
}

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const MINUS = 0x2d;
const LETTER_D = 0x64;
const LETTER_E = 0x65;
const LETTER_I = 0x69;
const LETTER_L = 0x6c;
/** 2^64 has 20 digits; longer integers mean nothing in any BEP. */
const MAX_INTEGER_DIGITS = 20;
const MAX_LENGTH_DIGITS = 10;

export interface Decoded {
  readonly value: BencodeValue;
  /** Index of the first byte after the value. */
  readonly end: number;
}

/** Decodes one value. Never throws on any bytes; byte strings are views of `input`. */
export function decodeBencode(input: Uint8Array, options: BencodeOptions = {}): Result<Decoded> {
  const limits = options.limits ?? MESSAGE_LIMITS;
  if (input.length > limits.maxBytes)
    return reject(`bencode of ${input.length} bytes, limit ${limits.maxBytes}`);
  const stack: Frame[] = [];
  let at = 0;
  let items = 0;
  for (;;) {
    if (++items > limits.maxItems) return reject(`bencode with more than ${limits.maxItems} items`);
    const start = at;
    const lead = input[at];
    if (lead === undefined) return reject('bencode ends early');
    const top = stack[stack.length - 1];
    let value: BencodeValue;
    let valueStart = start;
    if (lead === LETTER_E && top !== undefined) {
      if (top.key !== undefined) return reject(`bencode key without value at byte ${at}`);
      stack.pop();
      at++;
      valueStart = top.start;
      value = top.list ?? new BencodeDict(top.entries as Map<string, DictEntry>);
    } else if (top?.entries !== undefined && top.key === undefined) {
      const string = readString(input, at);
      if (typeof string === 'string') return reject(string);
      at = string.end;
      if (
        top.lastKey !== undefined &&
        !options.allowUnsorted &&
        compareBytes(top.lastKey, string.bytes) >= 0
      ) {
        return reject(`bencode keys out of order at byte ${start}`);
      }
      top.keyText = latin1(string.bytes);
      if (top.entries.has(top.keyText)) return reject(`bencode key twice at byte ${start}`);
      top.key = string.bytes;
      top.lastKey = string.bytes;
      continue;
    } else if (lead === LETTER_L || lead === LETTER_D) {
      if (stack.length >= limits.maxDepth) return reject(`bencode deeper than ${limits.maxDepth}`);
      const list = lead === LETTER_L ? [] : undefined;
      const entries = lead === LETTER_D ? new Map<string, DictEntry>() : undefined;
      stack.push({ list, entries, start: at, key: undefined, keyText: '', lastKey: undefined });
      at++;
      continue;
    } else if (lead === LETTER_I) {
      const integer = readInteger(input, at, options.allowLooseIntegers === true);
      if (typeof integer === 'string') return reject(integer);
      at = integer.end;
      value = integer.value;
    } else {
      const string = readString(input, at);
      if (typeof string === 'string') return reject(string);
      at = string.end;
      value = string.bytes;
    }
    const parent = stack[stack.length - 1];
    if (parent === undefined) {
      if (at !== input.length && !options.allowTrailing)
        return reject(`${input.length - at} bytes after the bencoded value`);
      return accept({ value, end: at });
    }
    if (parent.list !== undefined) {
      parent.list.push(value);
    } else {
      const key = parent.key as Uint8Array;
      const entry = new DictEntry(key, value, input, valueStart, at);
      (parent.entries as Map<string, DictEntry>).set(parent.keyText, entry);
      parent.key = undefined;
    }
  }
}

/** Decodes a value that must be a dictionary, as nearly every message is. */
export function decodeDict(input: Uint8Array, options: BencodeOptions = {}): Result<BencodeDict> {
  const decoded = decodeBencode(input, options);
  if (!decoded.ok) return decoded;
  return isDict(decoded.value.value)
    ? accept(decoded.value.value)
    : reject('bencoded value is not a dictionary');
}

function readString(input: Uint8Array, at: number): { bytes: Uint8Array; end: number } | string {
  let cursor = at;
  let length = 0;
  for (;;) {
    const byte = input[cursor];
    if (byte === COLON && cursor > at) break;
    if (byte === undefined) return 'bencode ends early';
    if (byte < DIGIT_0 || byte > DIGIT_9)
      return `bencode has an unexpected byte 0x${byte.toString(16)} at byte ${cursor}`;
    if (cursor - at >= MAX_LENGTH_DIGITS) return `bencode string length too long at byte ${at}`;
    length = length * 10 + (byte - DIGIT_0);
    cursor++;
  }
  if (input[at] === DIGIT_0 && cursor - at > 1)
    return `bencode string length with a leading zero at byte ${at}`;
  const start = cursor + 1;
  if (start + length > input.length) return `bencode string of ${length} bytes ends early at byte ${at}`;
  return { bytes: input.subarray(start, start + length), end: start + length };
}

function readInteger(
  input: Uint8Array,
  at: number,
  loose: boolean,
): { value: number | bigint; end: number } | string {
  let cursor = at + 1;
  const negative = input[cursor] === MINUS;
  if (negative) cursor++;
  const firstDigit = cursor;
  let value = 0;
  for (;;) {
    const byte = input[cursor];
    if (byte === LETTER_E && cursor > firstDigit) break;
    if (byte === undefined) return 'bencode ends early';
    if (byte < DIGIT_0 || byte > DIGIT_9)
      return `bencode integer with byte 0x${byte.toString(16)} at byte ${cursor}`;
    if (cursor - firstDigit >= MAX_INTEGER_DIGITS) return `bencode integer too long at byte ${at}`;
    value = value * 10 + (byte - DIGIT_0);
    cursor++;
  }
  const digits = cursor - firstDigit;
  if (!loose && input[firstDigit] === DIGIT_0 && (digits > 1 || negative))
    return `bencode integer not canonical at byte ${at}`;
  if (Number.isSafeInteger(value))
    return { value: negative && value !== 0 ? -value : value, end: cursor + 1 };
  let exact = 0n;
  for (let i = firstDigit; i < cursor; i++) exact = exact * 10n + BigInt((input[i] as number) - DIGIT_0);
  return { value: negative ? -exact : exact, end: cursor + 1 };
}
