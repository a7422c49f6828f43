// Reads for uploads that notice when somebody else wrote to a file after its content was verified: what was read of it is
// hashed again before anything is sent. Whoever gets bytes that do not match the torrent bans who sent them.
//
// A file looks other than before when its size, its time or its inode does (mtime is what the journal goes by as well, see
// trust.ts). The look comes after the read, so that what was written before the read is seen; where the file was opened for
// the read, the look at that moment does: thousands of small files need no second one. It costs a system call, and is left
// out for LOOK_INTERVAL_MS after the last one: at 10 MB/s every window of 1 MiB has its own, at 1 GB/s one in a hundred. Our
// own hand writes to no file that is complete; what it writes while a file is being completed makes the look of that file
// unknown, until all is done.
import { createHash } from 'node:crypto';
import { fstat as fstatFd } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Bitfield } from '../base/bitfield.ts';
import { bytesEqual } from '../base/bytes.ts';
import type { Log } from '../base/log.ts';
import { DiskFaultError } from './disk-error.ts';
import type { FileLooks } from './file-looks.ts';
import type { FileMap } from './file-map.ts';
import type { ReadFiles } from './read-files.ts';
import { lookOf } from './scan.ts';
import { pieceSizeOf, type StoreConfig } from './store-config.ts';
import type { FileLook } from './trust.ts';

const fstat = promisify(fstatFd);

const LOOK_INTERVAL_MS = 100;
/** What is hashed at one stroke. */
const HASH_CHUNK_BYTES = 1 << 20;

export interface UploadReadsParts {
  readonly config: StoreConfig;
  readonly map: FileMap;
  readonly files: ReadFiles;
  readonly inPart: Bitfield;
  readonly log: Log;
  /** Of files whose content was right then; kept up to date here and by the owner. */
  looks(): FileLooks;
  /** Every byte of the file is verified, so that nothing of ours writes to it. */
  isComplete(file: number): boolean;
  /** What was read of the piece before is not to be sent. */
  forget(piece: number): void;
}

export class UploadReads {
  readonly #parts: UploadReadsParts;
  readonly #lookedAtMs: Float64Array;
  /** Pieces of files that changed, to be hashed before they are sent. */
  readonly #doubtful: Bitfield;
  /** By file: under way. */
  readonly #looking = new Map<number, Promise<void>>();
  readonly #running = new Set<Promise<void>>();
  /** Files that did so at any time. */
  readonly #changed = new Set<number>();
  readonly #hashing = new Map<number, Promise<void>>();

  constructor(parts: UploadReadsParts) {
    this.#parts = parts;
    this.#lookedAtMs = new Float64Array(parts.config.files.length).fill(Number.NEGATIVE_INFINITY);
    this.#doubtful = new Bitfield(parts.config.pieceCount);
  }

  /**
   * Fills `into` from `offset` in the torrent; the range lies inside one piece.
   * @throws DiskFaultError as `ReadFiles.read`; ECHANGED when the piece does not match the torrent any more
   */
  read(offset: number, into: Uint8Array): Promise<void> {
    const reading = this.#read(offset, into);
    this.#running.add(reading);
    const forget = (): void => {
      this.#running.delete(reading);
    };
    reading.then(forget, forget);
    return reading;
  }

  /** Resolves when whoever waits for a read that has begun was told. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #read(offset: number, into: Uint8Array): Promise<void> {
    const { config, files } = this.#parts;
    const nowMs = performance.now();
    await files.read(offset, into, (file, fd, opened) => this.#look(file, fd, opened, nowMs));
    const piece = Math.floor(offset / config.pieceLength);
    while (this.#doubtful.has(piece) || this.#hashing.has(piece)) {
      await this.#settle(piece);
      await files.read(offset, into);
    }
  }

  /** @returns undefined where none is due */
  #look(file: number, fd: number, opened: FileLook, nowMs: number): Promise<void> | undefined {
    const { inPart, isComplete, looks } = this.#parts;
    // Whoever reads while somebody looks waits for what is seen.
    if (nowMs - (this.#lookedAtMs[file] as number) < LOOK_INTERVAL_MS) return this.#looking.get(file);
    if (inPart.has(file) || !looks().knows(file) || !isComplete(file)) return undefined;
    this.#lookedAtMs[file] = nowMs;
    if (opened !== undefined) {
      this.#see(file, opened);
      return undefined;
    }
    const looking = fstat(fd, { bigint: true })
      .then((stat) => this.#see(file, lookOf(stat)))
      .finally(() => this.#looking.delete(file));
    this.#looking.set(file, looking);
    return looking;
  }

  #see(file: number, look: Exclude<FileLook, undefined>): void {
    const looks = this.#parts.looks();
    if (!looks.knows(file) || looks.isSame(file, look)) return;
    looks.set(file, look);
    this.#doubt(file);
  }

  #doubt(file: number): void {
    const { forget, log, map } = this.#parts;
    if (!this.#changed.has(file))
      log('warn', `somebody else wrote to ${this.#pathOf(file)}: what is asked for of it is checked again`);
    this.#changed.add(file);
    const { first, end } = map.piecesOfFile(file);
    for (let piece = first; piece < end; piece++) {
      this.#doubtful.set(piece);
      forget(piece);
    }
  }

  /** Once for all who wait for it. */
  #settle(piece: number): Promise<void> {
    const running = this.#hashing.get(piece);
    if (running !== undefined) return running;
    const hashing = this.#hash(piece).finally(() => this.#hashing.delete(piece));
    this.#hashing.set(piece, hashing);
    return hashing;
  }

  async #hash(piece: number): Promise<void> {
    const { config, files, map } = this.#parts;
    // Cleared first: whoever sees another change meanwhile sets it again.
    this.#doubtful.clear(piece);
    const start = piece * config.pieceLength;
    const size = pieceSizeOf(config, piece);
    const hash = createHash('sha1');
    const chunk = new Uint8Array(Math.min(HASH_CHUNK_BYTES, size));
    try {
      for (let at = 0; at < size; at += chunk.length) {
        const bytes = chunk.subarray(0, Math.min(chunk.length, size - at));
        await files.read(start + at, bytes);
        hash.update(bytes);
      }
      if (bytesEqual(hash.digest(), config.pieceHashes.subarray(piece * 20, piece * 20 + 20))) return;
    } catch (error) {
      this.#doubtful.set(piece);
      throw error;
    }
    this.#doubtful.set(piece);
    const file = map.filesOfPiece(piece).find((each) => this.#changed.has(each)) ?? 0;
    throw new DiskFaultError({ code: 'ECHANGED', path: this.#pathOf(file), action: 'send' });
  }

  #pathOf(file: number): string {
    const { config } = this.#parts;
    return join(config.directory, config.files[file]?.path ?? '');
  }
}
