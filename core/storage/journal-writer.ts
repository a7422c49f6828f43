// Appends to a resume journal and keeps it short. Nothing is made before the first append. A failed or torn append
// is written over by the next one, at the same place. Synchronous: lives in the disk thread.
import realFs from 'node:fs';
import { dirname } from 'node:path';
import { concatBytes } from '../base/bytes.ts';
import { DiskFaultError, faultOf } from './disk-error.ts';
import {
  encodeRecord,
  encodeSnapshot,
  type JournalIdentity,
  type JournalRecord,
  loadJournal,
} from './journal.ts';
import { JournalState } from './journal-state.ts';
import { makeFolder } from './make-folder.ts';
import type { DiskFs } from './safe-files.ts';

/** Rewritten once it is this many times its shortest form ... */
const COMPACT_RATIO = 4;
/** ... and at least this long: rewriting small files often gains nothing. */
const COMPACT_MIN_BYTES = 1 << 20;

/** How a journal starts: the bytes of a snapshot, made by whoever judged the last journal. */
export interface JournalStart {
  readonly path: string;
  readonly identity: JournalIdentity;
  readonly snapshot: Uint8Array;
}

export class JournalWriter {
  readonly #fs: DiskFs;
  readonly #path: string;
  readonly #identity: JournalIdentity;
  readonly #nowMs: () => number;
  readonly #state: JournalState;
  #fd: number | undefined;
  /** Not yet on disk: the snapshot, until the first append. */
  #unsaved: Uint8Array[];
  #crc: number;
  #length = 0;
  #snapshotLength: number;

  constructor(start: JournalStart, fs: DiskFs = realFs, nowMs: () => number = Date.now) {
    this.#fs = fs;
    this.#path = start.path;
    this.#identity = start.identity;
    this.#nowMs = nowMs;
    const loaded = loadJournal(start.snapshot, start.identity);
    this.#state = loaded?.state ?? new JournalState(start.identity.pieceCount, start.identity.fileCount);
    this.#crc = loaded?.crc ?? 0;
    this.#unsaved = [start.snapshot];
    this.#snapshotLength = start.snapshot.length;
  }

  /** Whether anything was ever written. */
  get isStarted(): boolean {
    return this.#fd !== undefined;
  }

  get state(): JournalState {
    return this.#state;
  }

  /** One write for all. @throws DiskFaultError; then nothing counts as written, and the same call may be made again */
  append(records: readonly JournalRecord[]): void {
    const timeMs = this.#nowMs();
    let crc = this.#crc;
    const parts: Uint8Array[] = [];
    for (const record of records) {
      const encoded = encodeRecord(record, timeMs, crc);
      parts.push(encoded.bytes);
      crc = encoded.crc;
    }
    const bytes = concatBytes([...this.#unsaved, ...parts]);
    try {
      const isFirst = this.#fd === undefined;
      if (isFirst) this.#replace(bytes);
      else this.#writeAt(this.#fd as number, bytes, this.#length);
      this.#length = isFirst ? bytes.length : this.#length + bytes.length;
    } catch (error) {
      throw new DiskFaultError(faultOf(error, 'write the resume journal', this.#path), error);
    }
    this.#unsaved = [];
    this.#crc = crc;
    for (const record of records) this.#state.apply(record, timeMs);
    if (this.#length > COMPACT_MIN_BYTES && this.#length > COMPACT_RATIO * this.#snapshotLength) {
      this.#compact(timeMs);
    }
  }

  /** @throws DiskFaultError */
  flush(): void {
    if (this.#fd === undefined) return;
    try {
      this.#fs.fdatasyncSync(this.#fd);
    } catch (error) {
      throw new DiskFaultError(faultOf(error, 'flush the resume journal', this.#path), error);
    }
  }

  close(): void {
    if (this.#fd !== undefined) this.#fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #compact(timeMs: number): void {
    const open = this.#state.openIntent;
    const snapshot = encodeSnapshot(this.#identity, this.#state, timeMs);
    try {
      this.#replace(snapshot.bytes);
    } catch {
      return; // the long one is as good; the next append tries again
    }
    this.#length = snapshot.bytes.length;
    this.#snapshotLength = snapshot.bytes.length;
    this.#crc = snapshot.crc;
    // A snapshot holds stamps, which would end an intent: compaction comes right after stamps, or says it again.
    if (open !== undefined) this.append([{ kind: 'intent', pieces: open.pieces }]);
  }

  /** Writes a new file beside the old one and puts it in its place in one step. */
  #replace(bytes: Uint8Array): void {
    makeFolder(dirname(this.#path), { fs: this.#fs });
    const temporary = `${this.#path}.new`;
    const { O_CREAT, O_TRUNC, O_RDWR, O_NOFOLLOW = 0 } = realFs.constants;
    const fd = this.#fs.openSync(temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    try {
      this.#writeAt(fd, bytes, 0);
      this.#fs.renameSync(temporary, this.#path);
    } catch (error) {
      this.#fs.closeSync(fd);
      throw error;
    }
    if (this.#fd !== undefined) this.#fs.closeSync(this.#fd);
    this.#fd = fd;
  }

  #writeAt(fd: number, bytes: Uint8Array, position: number): void {
    let done = 0;
    while (done < bytes.length) {
      const wrote = this.#fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
      if (wrote === 0) throw new DiskFaultError({ code: 'ENOSPC', path: this.#path, action: 'write' });
      done += wrote;
    }
  }
}
