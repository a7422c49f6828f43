// Nothing that somebody else put there is written over: finds files on disk that neither the journal nor their content
// shows to be of this torrent. Reads only what is in doubt, and nothing at all where a folder is empty or ours.
//
// A file is taken for ours, or for what another client left of the same torrent, when
// - the journal knows it (see ownership.ts), or
// - a piece that is not all zeros matches in it, or
// - it is all zeros: reserved space, or
// - other files of the torrent match and this one looks cut off in the middle of a download: every piece with something of
//   it lacks a block, and its length is whole or ends where a block or a page does.
// A file longer than in the torrent loses what follows only when that is zeros, or was there when we last wrote to it.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Bitfield } from '../base/bitfield.ts';
import { bytesEqual } from '../base/bytes.ts';
import { OperationError } from '../base/result.ts';
import { BLOCK_BYTES } from '../metainfo/layout.ts';
import { diskOperationError, errnoOf } from './disk-error.ts';
import { PADDING } from './file-map.ts';
import type { Found, Place } from './open-storage.ts';
import type { ReadFiles } from './read-files.ts';
import { pieceSizeOf } from './store-config.ts';

/** What matches of a file must be at least this long: shorter runs are alike by chance, or because all files of a kind begin so. */
const MIN_MATCH_BYTES = 64;
const READ_BYTES = 1 << 20;
/** What a crash of the machine leaves of a file ends with a page. */
const PAGE_BYTES = 4_096;
const ZEROS = new Uint8Array(READ_BYTES);

export interface ContentGuardParts {
  readonly place: Place;
  readonly found: Found;
  /** For pieces: they may reach into the part file. */
  readonly files: ReadFiles;
  /** Of the torrent, for the message. */
  readonly name: string;
  readonly mayOverwrite: boolean;
}

/** The file, or bytes at its end, is not there. */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ESHORT']);

export class ContentGuard {
  readonly #parts: ContentGuardParts;
  /** In doubt: on disk, holding something, and the journal does not know them. */
  readonly #suspects: Bitfield;
  /** Bytes that match, by file in doubt. */
  #matched: Map<number, number> | undefined;
  #hasRefused = false;

  constructor(parts: ContentGuardParts) {
    this.#parts = parts;
    const { found, place } = parts;
    this.#suspects = new Bitfield(place.config.files.length);
    place.config.files.forEach((file, index) => {
      const isHolding = (found.sizes.get(index) ?? 0) > 0;
      if (file.kind === 'file' && isHolding && !found.owned.has(index)) this.#suspects.set(index);
    });
  }

  /** Whether it ever threw `refused`. */
  get hasRefused(): boolean {
    return this.#hasRefused;
  }

  /** Before anything is hashed: nothing may be behind the end of these files. @throws OperationError `refused`, `disk` */
  async checkEnds(files: Iterable<number>): Promise<void> {
    const { found, place, mayOverwrite } = this.#parts;
    if (mayOverwrite || found.longer.count === 0) return;
    const losers: number[] = [];
    for (const file of files) {
      if (!found.longer.has(file)) continue;
      const { length } = place.config.files[file] as { readonly length: number };
      if (!(await this.#isBlank(file, length, found.sizes.get(file) ?? 0))) losers.push(file);
    }
    if (losers.length === 0) return;
    const first = losers[0] as number;
    const extra = (found.sizes.get(first) ?? 0) - (place.config.files[first]?.length ?? 0);
    const what = `is ${extra} ${extra === 1 ? 'byte' : 'bytes'} longer than in ${this.#parts.name}, and they would be cut off`;
    throw this.#refusal(first, what, losers.length);
  }

  /** Once everything that lies there is hashed. @throws OperationError `refused` when one of them is not of this torrent; `disk` */
  async checkContent(files: Iterable<number>): Promise<void> {
    if (this.#parts.mayOverwrite) return;
    const strangers = await this.strangers(files);
    if (strangers.length === 0) return;
    const what = `is in the way: no piece of ${this.#parts.name} matches what lies there, and nothing tells that it was downloaded`;
    throw this.#refusal(strangers[0] as number, what, strangers.length);
  }

  /** Those of the files that are somebody else's. @throws OperationError `disk` */
  async strangers(files: Iterable<number>): Promise<number[]> {
    const strangers: number[] = [];
    if (this.#suspects.count === 0) return strangers;
    for (const file of files) {
      if (!this.#suspects.has(file)) continue;
      if (await this.#isStranger(file)) strangers.push(file);
      else this.#suspects.clear(file);
    }
    return strangers;
  }

  async #isStranger(file: number): Promise<boolean> {
    const { found, place } = this.#parts;
    const { inPart } = found;
    const matches = (each: number): boolean => {
      const least = Math.min(MIN_MATCH_BYTES, place.config.files[each]?.length ?? 0);
      return (this.#matches().get(each) ?? 0) >= Math.max(1, least);
    };
    // What is verified of it lies in the part file: that says nothing of what lies in its place.
    const isBeside = inPart.has(file);
    if (!isBeside && matches(file)) return false;
    if (await this.#isBlank(file, 0, found.sizes.get(file) ?? 0)) return false;
    if (isBeside) return true;
    const hasCompany = [...this.#matches().keys()].some((other) => other !== file && matches(other));
    return !(hasCompany && (await this.#isUnfinished(file)));
  }

  /** Zeros match zeros: they show nothing. */
  #matches(): Map<number, number> {
    if (this.#matched !== undefined) return this.#matched;
    const { found, place } = this.#parts;
    const { have, inPart } = found;
    const { config, map } = place;
    const matched = new Map<number, number>();
    const blank = new Map<number, Uint8Array>();
    for (let piece = 0; piece < config.pieceCount; piece++) {
      if (!have.has(piece)) continue;
      const size = pieceSizeOf(config, piece);
      const hashOfZeros = blank.get(size) ?? hashZeros(size);
      blank.set(size, hashOfZeros);
      if (bytesEqual(config.pieceHashes.subarray(piece * 20, piece * 20 + 20), hashOfZeros)) continue;
      for (const { file, length } of map.spans(piece * config.pieceLength, size)) {
        if (file === PADDING || inPart.has(file) || !this.#suspects.has(file)) continue;
        matched.set(file, (matched.get(file) ?? 0) + length);
      }
    }
    this.#matched = matched;
    return matched;
  }

  async #isUnfinished(index: number): Promise<boolean> {
    const { config, map } = this.#parts.place;
    const file = config.files[index] as (typeof config.files)[number];
    const size = this.#parts.found.sizes.get(index) ?? 0;
    const end = ((file.offset + size) % config.pieceLength) % BLOCK_BYTES;
    if (size !== file.length && end !== 0 && size % PAGE_BYTES !== 0) return false;
    const { first, end: last } = map.piecesOfFile(index);
    for (let piece = first; piece < last; piece++) {
      const from = Math.max(0, piece * config.pieceLength - file.offset);
      const until = Math.min(size, (piece + 1) * config.pieceLength - file.offset);
      if (!(await this.#isBlank(index, from, until)) && !(await this.#lacksBlock(piece))) return false;
    }
    return true;
  }

  /** Whether a block of the piece is not there, or nothing but zeros. */
  async #lacksBlock(piece: number): Promise<boolean> {
    const { config, map } = this.#parts.place;
    const size = pieceSizeOf(config, piece);
    const buffer = new Uint8Array(BLOCK_BYTES);
    for (let begin = 0; begin < size; begin += BLOCK_BYTES) {
      const bytes = buffer.subarray(0, Math.min(BLOCK_BYTES, size - begin));
      const offset = piece * config.pieceLength + begin;
      // Padding is always zeros.
      if (map.spans(offset, bytes.length).every(({ file }) => file === PADDING)) continue;
      try {
        await this.#parts.files.read(offset, bytes);
      } catch (error) {
        if (ABSENT.has(errnoOf(error) ?? '')) return true;
        throw diskOperationError(error, 'read', config.directory);
      }
      if (isZero(bytes)) return true;
    }
    return false;
  }

  /** What lies in the file's own place. @throws OperationError `disk` */
  async #isBlank(file: number, from: number, until: number): Promise<boolean> {
    if (from >= until) return true;
    const path = this.#pathOf(file);
    const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      if (from === 0 && (await handle.stat()).blocks === 0) return true; // sparse from end to end
      const buffer = new Uint8Array(Math.min(READ_BYTES, until - from));
      for (let at = from; at < until; ) {
        const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, until - at), at);
        if (bytesRead === 0) return true;
        if (!isZero(buffer.subarray(0, bytesRead))) return false;
        at += bytesRead;
      }
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true;
      throw diskOperationError(error, 'read', path);
    } finally {
      await handle?.close();
    }
  }

  #pathOf(file: number): string {
    const { config } = this.#parts.place;
    return join(config.directory, config.files[file]?.path ?? '');
  }

  #refusal(first: number, what: string, count: number): OperationError {
    this.#hasRefused = true;
    const others = count === 1 ? '' : ` (so it is with ${count - 1} more)`;
    return new OperationError('refused', `${this.#pathOf(first)} ${what}${others}`, {
      code: 'EEXIST',
      hint: 'move it away, choose another folder with --out, or give --overwrite to lose it',
    });
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytesEqual(bytes, ZEROS.subarray(0, bytes.length));
}

function hashZeros(size: number): Uint8Array {
  const hash = createHash('sha1');
  for (let at = 0; at < size; at += ZEROS.length)
    hash.update(ZEROS.subarray(0, Math.min(ZEROS.length, size - at)));
  return hash.digest();
}
