// Reads a datagram into a KrpcMessage in one pass: strict in bencode and types, lenient in the order of keys, blind to keys
// it does not know. Invariant: on any bytes it ends, allocates nothing and throws nothing; depth and size are bounded.
import { ID_BYTES } from '../../core/base/ids.ts';
import type { KrpcMessage, MethodName, Span } from './krpc.ts';

/** BEP 32 asks for 1024 to be understood; nobody honest sends more than a few times that. */
export const MAX_DATAGRAM_BYTES = 4096;
/** A BEP 44 value is the only thing nested; nobody stores deeper ones. Also bits of the stack word below. */
const MAX_DEPTH = 20;
/** 2^63 has 19 digits. */
const MAX_INTEGER_DIGITS = 19;
/** More digits than MAX_DATAGRAM_BYTES has. */
const MAX_LENGTH_DIGITS = 4;
/** Longer transaction ids cost us bytes for nobody's good. */
export const MAX_TID_BYTES = 32;

const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const MINUS = 0x2d;
const DICT = 0x64;
const END = 0x65;
const INTEGER = 0x69;
const LIST = 0x6c;

/** `foreign`: not a bencoded dictionary at all, so another protocol's. `malformed`: ours, and to be met with silence. */
export type ScanOutcome = 'ok' | 'foreign' | 'malformed';

// One scanner serves the process: it works synchronously, and an object per datagram would be most of the cost.
let input: Uint8Array = new Uint8Array(0);
/** The string or integer read last. */
let start = 0;
let end = 0;
let integer = 0;

/** Fills `message` with offsets into `bytes`; on anything but `ok` its content means nothing. */
export function scanKrpc(bytes: Uint8Array, message: KrpcMessage): ScanOutcome {
  const length = bytes.length;
  if (length < 2 || bytes[0] !== DICT || bytes[length - 1] !== END) return 'foreign';
  if (length > MAX_DATAGRAM_BYTES) return 'malformed';
  message.reset(bytes);
  input = bytes;
  return scanTop(message) === length && isComplete(message) ? 'ok' : 'malformed';
}

function isComplete(message: KrpcMessage): boolean {
  if (message.tid.start < 0 || message.tid.end - message.tid.start > MAX_TID_BYTES) return false;
  if (seenKind === 0) return false;
  if (seenKind === ERROR ? !hasError || seenBody === QUERY : hasError || seenKind !== seenBody) return false;
  message.kind = seenKind === QUERY ? 'query' : seenKind === REPLY ? 'reply' : 'error';
  if (seenKind === QUERY) return seenMethod && message.id.start >= 0;
  return seenKind === ERROR || message.id.start >= 0;
}

const QUERY = 0x71;
const REPLY = 0x72;
const ERROR = 0x65;
let seenKind = 0;
/** QUERY or REPLY, by which of `a` and `r` was there. */
let seenBody = 0;
/** `e` was there. libtorrent's errors have an `r` with its id besides. */
let hasError = false;
let seenMethod = false;

/** @returns the index after the dictionary, -1 when malformed; the same for all functions below */
function scanTop(message: KrpcMessage): number {
  seenKind = 0;
  seenBody = 0;
  hasError = false;
  seenMethod = false;
  let at = 1;
  for (;;) {
    if (input[at] === END) return at + 1;
    at = readString(at);
    if (at < 0) return -1;
    const keyLength = end - start;
    const first = input[start] as number;
    if (keyLength === 1) at = scanTopField(message, first, at);
    else if (keyLength === 2 && isKey2(0x69, 0x70)) at = readSpan(message.external, at);
    else if (keyLength === 2 && isKey2(0x72, 0x6f)) {
      at = readInteger(at);
      message.readOnly = integer === 1;
    } else at = skipUnknown(message, at);
    if (at < 0) return -1;
  }
}

function scanTopField(message: KrpcMessage, key: number, at: number): number {
  switch (key) {
    case 0x61: // a
      return scanBody(message, QUERY, at);
    case 0x72: // r
      return scanBody(message, REPLY, at);
    case 0x65: // e
      return scanError(message, at);
    case 0x71: {
      // q
      const after = readString(at);
      if (after < 0 || seenMethod) return -1;
      seenMethod = true;
      message.method = methodAt(start, end - start);
      return after;
    }
    case 0x74: // t
      return readSpan(message.tid, at);
    case 0x76: // v
      return readSpan(message.version, at);
    case 0x79: {
      // y
      const after = readString(at);
      if (after < 0 || end - start !== 1 || seenKind !== 0) return -1;
      const kind = input[start] as number;
      if (kind !== QUERY && kind !== REPLY && kind !== ERROR) return -1;
      seenKind = kind;
      return after;
    }
    default:
      return skipUnknown(message, at);
  }
}

function scanBody(message: KrpcMessage, body: number, from: number): number {
  if (seenBody !== 0 || input[from] !== DICT) return -1;
  seenBody = body;
  let at = from + 1;
  for (;;) {
    if (input[at] === END) return at + 1;
    at = readString(at);
    if (at < 0) return -1;
    at = scanBodyField(message, start, end - start, at);
    if (at < 0) return -1;
  }
}

function scanBodyField(message: KrpcMessage, key: number, length: number, at: number): number {
  switch (length) {
    case 1:
      if (input[key] === 0x76) return readRaw(message.v, at);
      if (input[key] === 0x6b) return readSpan(message.k, at);
      return skipUnknown(message, at);
    case 2:
      return isKey(key, 'id') ? readId(message.id, at) : skipUnknown(message, at);
    case 3:
      if (isKey(key, 'seq')) return readDigits(message.seq, at);
      if (isKey(key, 'sig')) return readSpan(message.sig, at);
      if (isKey(key, 'cas')) return readDigits(message.cas, at);
      if (isKey(key, 'num')) {
        const after = readInteger(at);
        message.total = integer;
        return after;
      }
      return skipUnknown(message, at);
    case 4:
      if (isKey(key, 'port')) {
        const after = readInteger(at);
        message.port = integer;
        return after;
      }
      if (isKey(key, 'seed')) {
        const after = readInteger(at);
        message.isSeed = integer === 1;
        return after;
      }
      if (isKey(key, 'want')) return readWant(message, at);
      if (isKey(key, 'salt')) return readSpan(message.salt, at);
      if (isKey(key, 'BFsd')) return readSpan(message.seedFilter, at);
      if (isKey(key, 'BFpe')) return readSpan(message.peerFilter, at);
      return skipUnknown(message, at);
    case 5:
      if (isKey(key, 'nodes')) return readSpan(message.nodes, at);
      if (isKey(key, 'token')) return readSpan(message.token, at);
      return skipUnknown(message, at);
    case 6:
      if (isKey(key, 'target')) return readId(message.target, at);
      if (isKey(key, 'values')) return readList(message.values, at);
      if (isKey(key, 'nodes6')) return readSpan(message.nodes6, at);
      if (isKey(key, 'noseed')) {
        const after = readInteger(at);
        message.noSeeds = integer === 1;
        return after;
      }
      if (isKey(key, 'scrape')) {
        const after = readInteger(at);
        message.scrape = integer === 1;
        return after;
      }
      return skipUnknown(message, at);
    case 7:
      return isKey(key, 'samples') ? readSpan(message.samples, at) : skipUnknown(message, at);
    case 8:
      if (!isKey(key, 'interval')) return skipUnknown(message, at);
      at = readInteger(at);
      message.intervalSeconds = integer;
      return at;
    case 9:
      return isKey(key, 'info_hash') ? readId(message.target, at) : skipUnknown(message, at);
    case 12:
      if (!isKey(key, 'implied_port')) return skipUnknown(message, at);
      at = readInteger(at);
      message.impliedPort = integer !== 0;
      return at;
    default:
      return skipUnknown(message, at);
  }
}

/** The value of a key that nobody here knows. */
function skipUnknown(message: KrpcMessage, at: number): number {
  message.unknownKeys++;
  return skipValue(at);
}

/** BEP 5: a list of a number and a text; more after them is passed over. */
function scanError(message: KrpcMessage, from: number): number {
  if (hasError || input[from] !== LIST) return -1;
  hasError = true;
  let at = readInteger(from + 1);
  if (at < 0) return -1;
  message.errorCode = integer;
  at = readSpan(message.errorText, at);
  while (at >= 0 && input[at] !== END) at = skipValue(at);
  return at < 0 ? -1 : at + 1;
}

function isKey2(first: number, second: number): boolean {
  return input[start] === first && input[start + 1] === second;
}

function isKey(at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (input[at + i] !== name.charCodeAt(i)) return false;
  return true;
}

function methodAt(at: number, length: number): MethodName {
  switch (length) {
    case 4:
      return isKey(at, 'ping') ? 'ping' : 'unknown';
    case 9:
      return isKey(at, 'find_node') ? 'find_node' : isKey(at, 'get_peers') ? 'get_peers' : 'unknown';
    case 13:
      return isKey(at, 'announce_peer') ? 'announce_peer' : 'unknown';
    case 3:
      return isKey(at, 'get') ? 'get' : isKey(at, 'put') ? 'put' : 'unknown';
    case 17:
      return isKey(at, 'sample_infohashes') ? 'sample_infohashes' : 'unknown';
    default:
      return 'unknown';
  }
}

/** A byte string; `start` and `end` become its content. */
function readString(at: number): number {
  let length = 0;
  let i = at;
  for (; ; i++) {
    const byte = input[i];
    if (byte === undefined) return -1;
    if (byte === COLON) break;
    if (byte < ZERO || byte > NINE || i - at >= MAX_LENGTH_DIGITS) return -1;
    length = length * 10 + byte - ZERO;
  }
  if (i === at || (input[at] === ZERO && i > at + 1)) return -1;
  start = i + 1;
  end = start + length;
  return end <= input.length ? end : -1;
}

/** `i...e` in canonical form; `start` and `end` become its digits, `integer` its value (rounded above 2^53). */
function readInteger(at: number): number {
  if (input[at] !== INTEGER) return -1;
  start = at + 1;
  const negative = input[start] === MINUS;
  const digits = negative ? start + 1 : start;
  let value = 0;
  let i = digits;
  for (; ; i++) {
    const byte = input[i];
    if (byte === END) break;
    if (byte === undefined || byte < ZERO || byte > NINE || i - digits >= MAX_INTEGER_DIGITS) return -1;
    value = value * 10 + byte - ZERO;
  }
  if (i === digits || (input[digits] === ZERO && (i > digits + 1 || negative))) return -1;
  end = i;
  integer = negative ? -value : value;
  return i + 1;
}

/** Known keys come once: a second one would make two readers read two messages. */
function assign(span: Span, after: number): number {
  if (after < 0 || span.start >= 0) return -1;
  span.start = start;
  span.end = end;
  return after;
}

function readSpan(span: Span, at: number): number {
  return assign(span, readString(at));
}

function readDigits(span: Span, at: number): number {
  return assign(span, readInteger(at));
}

function readId(span: Span, at: number): number {
  const after = assign(span, readString(at));
  return after >= 0 && end - start === ID_BYTES ? after : -1;
}

/** Any one value, as it stands. */
function readRaw(span: Span, at: number): number {
  const after = skipValue(at);
  start = at;
  end = after;
  return assign(span, after);
}

/** A list of byte strings; the span is its inside. */
function readList(span: Span, from: number): number {
  if (input[from] !== LIST) return -1;
  let at = from + 1;
  while (input[at] !== END) {
    at = readString(at);
    if (at < 0) return -1;
  }
  start = from + 1;
  end = at;
  return assign(span, at + 1);
}

/** BEP 32: words we do not know are passed over. */
function readWant(message: KrpcMessage, from: number): number {
  if (message.hasWant || input[from] !== LIST) return -1;
  message.hasWant = true;
  let at = from + 1;
  while (input[at] !== END) {
    at = readString(at);
    if (at < 0) return -1;
    if (end - start === 2 && input[start] === 0x6e) {
      if (input[start + 1] === 0x34) message.wants4 = true;
      else if (input[start + 1] === 0x36) message.wants6 = true;
    }
  }
  return at + 1;
}

/** Passes over any value without recursion; dictionaries must have string keys with values. */
function skipValue(from: number): number {
  let at = from;
  let depth = 0;
  /** One bit per level: is it a dictionary, and is a key due there. */
  let dicts = 0;
  let keysDue = 0;
  do {
    const lead = input[at];
    const bit = 1 << depth;
    const inDict = depth > 0 && (dicts & bit) !== 0;
    const keyDue = inDict && (keysDue & bit) !== 0;
    if (lead === END) {
      if (depth === 0 || (inDict && !keyDue)) return -1;
      depth--;
      at++;
      continue;
    }
    if (inDict) keysDue ^= bit;
    if (!keyDue && (lead === DICT || lead === LIST)) {
      if (++depth > MAX_DEPTH) return -1;
      const inner = 1 << depth;
      if (lead === DICT) {
        dicts |= inner;
        keysDue |= inner;
      } else dicts &= ~inner;
      at++;
      continue;
    }
    at = !keyDue && lead === INTEGER ? readInteger(at) : readString(at);
    if (at < 0) return -1;
  } while (depth > 0);
  return at;
}
