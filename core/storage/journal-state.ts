// What a journal says once read: the same class is fed by the loader and by the writer, so both always agree.
import { Bitfield } from '../base/bitfield.ts';
import type { JournalRecord } from './journal.ts';

/** How a file looked. `file` is its index; the part file's is the number of files. */
export interface FileStamp {
  readonly file: number;
  readonly size: number;
  /** Since 1970. */
  readonly mtimeNs: bigint;
  readonly inode: bigint;
}

/** A batch of writes that was announced and not yet followed by stamps. */
export interface OpenIntent {
  readonly pieces: readonly number[];
  readonly timeMs: number;
}

export class JournalState {
  bootId = '';
  /** Where the content was. */
  root = '';
  readonly have: Bitfield;
  readonly stamps = new Map<number, FileStamp>();
  /** The part of `have` and `stamps` that was flushed to the disk itself. */
  durable: Bitfield;
  durableStamps: Map<number, FileStamp> = new Map();
  /** File indices that live in the part file. */
  inPart: Bitfield;
  /** Data lies there for these pieces and nobody hashed it yet: an interrupted check goes on with them. */
  unchecked: Bitfield;
  openIntent: OpenIntent | undefined;
  isClean = false;
  /** Milliseconds since 1970 of the last record. */
  lastTimeMs = 0;
  #marked: { readonly have: Bitfield; readonly stamps: Map<number, FileStamp> } | undefined;

  constructor(pieceCount: number, fileCount: number) {
    this.have = new Bitfield(pieceCount);
    this.durable = new Bitfield(pieceCount);
    this.inPart = new Bitfield(fileCount);
    this.unchecked = new Bitfield(pieceCount);
  }

  /** Values in `record` are checked against the counts already. */
  apply(record: JournalRecord, timeMs: number): void {
    this.lastTimeMs = timeMs;
    this.isClean = record.kind === 'clean';
    switch (record.kind) {
      case 'open':
        this.bootId = record.bootId;
        this.root = record.root;
        return;
      case 'pieces':
        for (const piece of record.pieces) {
          this.have.set(piece);
          this.unchecked.clear(piece);
        }
        return;
      case 'have':
        for (let piece = 0; piece < this.have.size; piece++) {
          if (((record.bits[piece >>> 3] as number) & (0x80 >>> (piece & 7))) !== 0) this.have.set(piece);
        }
        return;
      case 'stamps':
        for (const stamp of record.stamps) this.stamps.set(stamp.file, stamp);
        this.openIntent = undefined;
        return;
      case 'intent':
        this.openIntent = { pieces: record.pieces, timeMs };
        return;
      case 'mark':
        this.#marked = { have: this.have.clone(), stamps: new Map(this.stamps) };
        return;
      case 'synced':
        if (this.#marked === undefined) return;
        this.durable = this.#marked.have;
        this.durableStamps = this.#marked.stamps;
        this.#marked = undefined;
        return;
      case 'revoke':
        for (const piece of record.pieces) {
          this.have.clear(piece);
          this.unchecked.clear(piece);
          this.durable.clear(piece);
          this.#marked?.have.clear(piece);
        }
        return;
      case 'inPart': {
        const field = Bitfield.fromWire(this.inPart.size, record.bits.slice());
        if (field.ok) this.inPart = field.value;
        return;
      }
      case 'unchecked': {
        const field = Bitfield.fromWire(this.unchecked.size, record.bits.slice());
        if (field.ok) this.unchecked = field.value;
        return;
      }
      default:
        return;
    }
  }
}
