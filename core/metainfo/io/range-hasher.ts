// Hashes runs of pieces straight from files on disk: the work of one hashing thread. Files lie end to end (BEP 3).
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

/** Everything a thread needs to know; plain data, so that it can be posted. */
export interface HashJob {
  readonly files: readonly { readonly diskPath: string; readonly length: number }[];
  readonly pieceLength: number;
  /** 20 bytes for each piece, shared by all threads. */
  readonly hashes: SharedArrayBuffer;
}

/** A file that ended early, or an errno, with the file's name. */
export class FileReadError extends Error {
  readonly diskPath: string;

  constructor(diskPath: string, cause: unknown) {
    super(`cannot read ${diskPath}`, { cause });
    this.diskPath = diskPath;
  }
}

const SHA1_BYTES = 20;
/** Measured best on page-cached files; larger reads gain nothing and cost memory in every thread. */
const READ_BYTES = 128 * 1024;

export class RangeHasher {
  readonly #job: HashJob;
  /** Of each file's first byte, and of the end of all. */
  readonly #offsets: Float64Array;
  readonly #hashes: Uint8Array;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #open: { readonly index: number; readonly fd: number } | undefined;

  constructor(job: HashJob) {
    this.#job = job;
    this.#hashes = new Uint8Array(job.hashes);
    this.#offsets = new Float64Array(job.files.length + 1);
    for (const [i, file] of job.files.entries())
      this.#offsets[i + 1] = (this.#offsets[i] as number) + file.length;
  }

  /** Writes the hashes of `count` pieces. @returns bytes hashed. @throws FileReadError */
  hash(firstPiece: number, count: number): number {
    const total = this.#offsets[this.#job.files.length] as number;
    const start = firstPiece * this.#job.pieceLength;
    let file = this.#fileAt(start);
    let at = start;
    for (let piece = firstPiece; piece < firstPiece + count; piece++) {
      const end = Math.min((piece + 1) * this.#job.pieceLength, total);
      const sha1 = createHash('sha1');
      while (at < end) {
        while ((this.#offsets[file + 1] as number) <= at) file++;
        const want = Math.min(end, this.#offsets[file + 1] as number) - at;
        const got = this.#read(file, at - (this.#offsets[file] as number), Math.min(want, READ_BYTES));
        sha1.update(got);
        at += got.length;
      }
      this.#hashes.set(sha1.digest(), piece * SHA1_BYTES);
    }
    return at - start;
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  /** Index of the file that holds byte `offset`. */
  #fileAt(offset: number): number {
    let low = 0;
    let high = this.#job.files.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle + 1] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #read(index: number, position: number, length: number): Uint8Array {
    const { diskPath } = this.#job.files[index] as HashJob['files'][number];
    let read: number;
    try {
      if (this.#open?.index !== index) {
        this.close();
        this.#open = { index, fd: openSync(diskPath, 'r') };
      }
      read = readSync(this.#open.fd, this.#buffer, 0, length, position);
    } catch (error) {
      throw new FileReadError(diskPath, error);
    }
    if (read === 0) throw new FileReadError(diskPath, undefined);
    return this.#buffer.subarray(0, read);
  }
}
