// The resume journal's bytes. A header, then records, each with a CRC-32 chained over everything before it: a torn or
// damaged tail ends the journal there, and never adds a piece. Version 1. All integers big-endian.
//
//   header  "ttjrnl1\n"  infoHash[20]  pieceCount u32  fileCount u32  crc u32
//   record  kind u8  length u32  timeMs u64 (since 1970)  payload[length]  crc u32
import { crc32 } from 'node:zlib';
import { Bitfield } from '../base/bitfield.ts';
import {
  bytesEqual,
  concatBytes,
  readU32,
  readU64,
  textOf,
  utf8,
  writeU32,
  writeU64,
} from '../base/bytes.ts';
import { type FileStamp, JournalState } from './journal-state.ts';

const MAGIC = utf8('ttjrnl1\n');
const HEADER_BYTES = 40;
const RECORD_HEAD_BYTES = 13;
const CRC_BYTES = 4;
const STAMP_BYTES = 28;
const KIND = {
  open: 1,
  pieces: 2,
  have: 3,
  stamps: 4,
  intent: 5,
  mark: 6,
  synced: 7,
  clean: 8,
  revoke: 9,
  inPart: 10,
  unchecked: 11,
} as const;

export type JournalRecord =
  /** A process opened the journal, under this boot of the machine, for content at this path. */
  | { readonly kind: 'open'; readonly bootId: string; readonly root: string }
  /** Verified and written (to the page cache at least). */
  | { readonly kind: 'pieces'; readonly pieces: readonly number[] }
  /** The same for many: a bitfield. */
  | { readonly kind: 'have'; readonly bits: Uint8Array }
  /** How these files looked after the writes before this record. */
  | { readonly kind: 'stamps'; readonly stamps: readonly FileStamp[] }
  /** These pieces are about to be written to: their files' stamps may change. */
  | { readonly kind: 'intent'; readonly pieces: readonly number[] }
  /** Files are being flushed; everything before this is covered by the next `synced`. */
  | { readonly kind: 'mark' }
  | { readonly kind: 'synced' }
  /** Closed in order: nothing was written after the last stamps. */
  | { readonly kind: 'clean' }
  /** Hashed and found wrong or incomplete. */
  | { readonly kind: 'revoke'; readonly pieces: readonly number[] }
  /** Files whose bytes live in the part file: a bitfield over all files. */
  | { readonly kind: 'inPart'; readonly bits: Uint8Array }
  /** Pieces that may be whole and were not hashed yet: a bitfield over all pieces. */
  | { readonly kind: 'unchecked'; readonly bits: Uint8Array };

export interface JournalIdentity {
  readonly infoHash: Uint8Array;
  readonly pieceCount: number;
  readonly fileCount: number;
}

export function encodeHeader(identity: JournalIdentity): {
  readonly bytes: Uint8Array;
  readonly crc: number;
} {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(MAGIC, 0);
  bytes.set(identity.infoHash, 8);
  writeU32(bytes, 28, identity.pieceCount);
  writeU32(bytes, 32, identity.fileCount);
  const crc = crc32(bytes.subarray(0, HEADER_BYTES - CRC_BYTES));
  writeU32(bytes, HEADER_BYTES - CRC_BYTES, crc);
  return { bytes, crc };
}

/** @param crc of the record before, or of the header; @returns the bytes and the crc for the next record */
export function encodeRecord(
  record: JournalRecord,
  timeMs: number,
  crc: number,
): { readonly bytes: Uint8Array; readonly crc: number } {
  const payload = payloadOf(record);
  const bytes = new Uint8Array(RECORD_HEAD_BYTES + payload.length + CRC_BYTES);
  bytes[0] = KIND[record.kind];
  writeU32(bytes, 1, payload.length);
  writeU64(bytes, 5, timeMs);
  bytes.set(payload, RECORD_HEAD_BYTES);
  const end = RECORD_HEAD_BYTES + payload.length;
  const next = crc32(bytes.subarray(0, end), crc);
  writeU32(bytes, end, next);
  return { bytes, crc: next };
}

/** The shortest journal that loads to the same state: for compaction. */
export function encodeSnapshot(
  identity: JournalIdentity,
  state: JournalState,
  timeMs: number,
): { readonly bytes: Uint8Array; readonly crc: number } {
  const header = encodeHeader(identity);
  const parts = [header.bytes];
  let crc = header.crc;
  const add = (record: JournalRecord): void => {
    const encoded = encodeRecord(record, timeMs, crc);
    parts.push(encoded.bytes);
    crc = encoded.crc;
  };
  add({ kind: 'open', bootId: state.bootId, root: state.root });
  if (state.inPart.count > 0) add({ kind: 'inPart', bits: state.inPart.bytes });
  if (state.durable.count > 0 || state.durableStamps.size > 0) {
    add({ kind: 'have', bits: state.durable.bytes });
    add({ kind: 'stamps', stamps: [...state.durableStamps.values()] });
    add({ kind: 'mark' });
    add({ kind: 'synced' });
  }
  add({ kind: 'have', bits: state.have.bytes });
  if (state.unchecked.count > 0) add({ kind: 'unchecked', bits: state.unchecked.bytes });
  add({ kind: 'stamps', stamps: [...state.stamps.values()] });
  return { bytes: concatBytes(parts), crc };
}

/** @returns undefined when these bytes are no journal of this torrent; else the state after the last whole record */
export function loadJournal(
  bytes: Uint8Array,
  identity: JournalIdentity,
): { readonly state: JournalState; readonly goodBytes: number; readonly crc: number } | undefined {
  const header = encodeHeader(identity);
  if (bytes.length < HEADER_BYTES || !bytesEqual(bytes.subarray(0, HEADER_BYTES), header.bytes)) {
    return undefined;
  }
  const state = new JournalState(identity.pieceCount, identity.fileCount);
  let at = HEADER_BYTES;
  let crc = header.crc;
  for (;;) {
    if (at + RECORD_HEAD_BYTES + CRC_BYTES > bytes.length) break;
    const end = at + RECORD_HEAD_BYTES + readU32(bytes, at + 1);
    if (end + CRC_BYTES > bytes.length) break;
    const next = crc32(bytes.subarray(at, end), crc);
    if (next !== readU32(bytes, end)) break;
    const record = recordOf(bytes[at] as number, bytes.subarray(at + RECORD_HEAD_BYTES, end), identity);
    if (record === undefined) break;
    state.apply(record, readU64(bytes, at + 5));
    crc = next;
    at = end + CRC_BYTES;
  }
  return { state, goodBytes: at, crc };
}

function payloadOf(record: JournalRecord): Uint8Array {
  switch (record.kind) {
    case 'open':
      return utf8(`${record.bootId}\n${record.root}`);
    case 'pieces':
    case 'intent':
    case 'revoke':
      return encodeNumbers(record.pieces);
    case 'have':
    case 'inPart':
    case 'unchecked':
      return record.bits;
    case 'stamps':
      return encodeStamps(record.stamps);
    default:
      return new Uint8Array(0);
  }
}

/** @returns undefined for what this version never wrote */
function recordOf(kind: number, payload: Uint8Array, identity: JournalIdentity): JournalRecord | undefined {
  const { pieceCount, fileCount } = identity;
  switch (kind) {
    case KIND.open:
      return openRecordOf(textOf(payload));
    case KIND.pieces:
    case KIND.intent:
    case KIND.revoke: {
      const pieces = decodeNumbers(payload, pieceCount);
      const name = kind === KIND.pieces ? 'pieces' : kind === KIND.intent ? 'intent' : 'revoke';
      return pieces === undefined ? undefined : { kind: name, pieces };
    }
    case KIND.have:
      return Bitfield.fromWire(pieceCount, payload).ok ? { kind: 'have', bits: payload } : undefined;
    case KIND.inPart:
      return Bitfield.fromWire(fileCount, payload).ok ? { kind: 'inPart', bits: payload } : undefined;
    case KIND.unchecked:
      return Bitfield.fromWire(pieceCount, payload).ok ? { kind: 'unchecked', bits: payload } : undefined;
    case KIND.stamps: {
      const stamps = decodeStamps(payload, fileCount);
      return stamps === undefined ? undefined : { kind: 'stamps', stamps };
    }
    case KIND.mark:
      return { kind: 'mark' };
    case KIND.synced:
      return { kind: 'synced' };
    case KIND.clean:
      return { kind: 'clean' };
    default:
      return undefined;
  }
}

function openRecordOf(text: string): JournalRecord | undefined {
  const end = text.indexOf('\n');
  return end < 0 ? undefined : { kind: 'open', bootId: text.slice(0, end), root: text.slice(end + 1) };
}

function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 4);
  numbers.forEach((number, i) => {
    writeU32(bytes, i * 4, number);
  });
  return bytes;
}

function decodeNumbers(bytes: Uint8Array, bound: number): number[] | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const number = readU32(bytes, at);
    if (number >= bound) return undefined;
    numbers.push(number);
  }
  return numbers;
}

function encodeStamps(stamps: readonly FileStamp[]): Uint8Array {
  const bytes = new Uint8Array(stamps.length * STAMP_BYTES);
  const view = new DataView(bytes.buffer);
  stamps.forEach((stamp, i) => {
    const at = i * STAMP_BYTES;
    writeU32(bytes, at, stamp.file);
    writeU64(bytes, at + 4, stamp.size);
    view.setBigInt64(at + 12, stamp.mtimeNs);
    view.setBigUint64(at + 20, BigInt.asUintN(64, stamp.inode));
  });
  return bytes;
}

/** The part file has the index after the last file. */
function decodeStamps(bytes: Uint8Array, fileCount: number): FileStamp[] | undefined {
  if (bytes.length % STAMP_BYTES !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const stamps: FileStamp[] = [];
  for (let at = 0; at < bytes.length; at += STAMP_BYTES) {
    const file = readU32(bytes, at);
    if (file > fileCount) return undefined;
    const mtimeNs = view.getBigInt64(at + 12);
    stamps.push({ file, size: readU64(bytes, at + 4), mtimeNs, inode: view.getBigUint64(at + 20) });
  }
  return stamps;
}
