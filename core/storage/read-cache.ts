// Payload for uploads: whole segments, read once and shared by everybody who asks for a block of them. A window lives
// while somebody still sends from it, or until its room is needed. One bound for all torrents of a session.

import type { OperationError } from '../base/result.ts';
import { diskOperationError } from './disk-error.ts';

/** Two dozen segments: more peers than slots of any usual choker read at different places. */
const DEFAULT_READ_MEMORY_BYTES = 24 << 20;

/**
 * @param view of exactly the bytes asked for; valid until `release`
 * @param release call exactly once when the bytes are sent (or dropped); undefined with an error
 */
export type ReadDone = (
  error: OperationError | undefined,
  view: Uint8Array | undefined,
  release: (() => void) | undefined,
) => void;

/** Fills `into` with the torrent's bytes from `offset`. */
export type ReadBytes = (offset: number, into: Uint8Array) => Promise<void>;

interface Window {
  readonly owner: ReadCache;
  readonly index: number;
  readonly memory: Uint8Array;
  readonly length: number;
  users: number;
  /** Waiting for the bytes; undefined once they are there. */
  waiting: (() => void)[] | undefined;
  error: OperationError | undefined;
}

/** The bound, and the memory itself: reused, never given to the collector while the bound holds. */
export class ReadMemory {
  readonly maxBytes: number;
  #usedBytes = 0;
  /** Oldest use first; windows in use may be among them. */
  readonly #windows = new Set<Window>();
  readonly #spare: Uint8Array[] = [];

  constructor(maxBytes: number = DEFAULT_READ_MEMORY_BYTES) {
    this.maxBytes = maxBytes;
  }

  /** Of all windows now held. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @returns undefined when everything is being sent from */
  take(bytes: number): Uint8Array | undefined {
    while (this.#usedBytes + bytes > this.maxBytes) {
      const idle = this.#oldestIdle();
      if (idle === undefined) return undefined;
      idle.owner.drop(idle);
    }
    this.#usedBytes += bytes;
    const spare = this.#spare.pop();
    // Sizes differ only between torrents.
    return spare?.length === bytes ? spare : new Uint8Array(new ArrayBuffer(bytes));
  }

  give(memory: Uint8Array): void {
    this.#usedBytes -= memory.length;
    if (this.#spare.length < SPARE_BUFFERS) this.#spare.push(memory);
  }

  touch(window: Window): void {
    this.#windows.delete(window);
    this.#windows.add(window);
  }

  remove(window: Window): void {
    this.#windows.delete(window);
  }

  #oldestIdle(): Window | undefined {
    for (const window of this.#windows) if (window.users === 0 && window.waiting === undefined) return window;
    return undefined;
  }
}

/** Kept for the next window when one is dropped: enough to save the allocation in a steady flow. */
const SPARE_BUFFERS = 4;

export interface ReadCacheOptions {
  readonly memory: ReadMemory;
  readonly pieceLength: number;
  readonly segmentBytes: number;
  readonly totalLength: number;
  readonly readBytes: ReadBytes;
  /** For errors that are not the disk's own. */
  readonly path: string;
}

/** One torrent's windows. */
export class ReadCache {
  readonly #options: ReadCacheOptions;
  readonly #segmentsPerPiece: number;
  readonly #windows = new Map<number, Window>();

  constructor(options: ReadCacheOptions) {
    this.#options = options;
    this.#segmentsPerPiece = Math.ceil(options.pieceLength / options.segmentBytes);
  }

  /** The range lies inside the piece. */
  read(piece: number, begin: number, length: number, done: ReadDone): void {
    const { segmentBytes } = this.#options;
    const segment = Math.floor(begin / segmentBytes);
    const from = begin - segment * segmentBytes;
    if (from + length > segmentBytes) {
      this.#readApart(piece, begin, length, done);
      return;
    }
    const index = piece * this.#segmentsPerPiece + segment;
    const window = this.#windows.get(index) ?? this.#load(index, piece, segment);
    if (window === undefined) {
      this.#readApart(piece, begin, length, done);
      return;
    }
    window.users++;
    this.#options.memory.touch(window);
    if (window.waiting === undefined) this.#serve(window, from, length, done);
    else window.waiting.push(() => this.#serve(window, from, length, done));
  }

  /** The piece is not good any more, or its bytes moved. */
  forgetPiece(piece: number): void {
    for (let i = 0; i < this.#segmentsPerPiece; i++) {
      const window = this.#windows.get(piece * this.#segmentsPerPiece + i);
      if (window === undefined) continue;
      if (window.users === 0 && window.waiting === undefined) this.drop(window);
      else this.#forget(window);
    }
  }

  /** For ReadMemory: nobody uses it. */
  drop(window: Window): void {
    this.#forget(window);
    this.#options.memory.give(window.memory);
  }

  /** Views in use stay valid until released. */
  close(): void {
    for (const window of [...this.#windows.values()]) {
      if (window.users === 0 && window.waiting === undefined) this.drop(window);
      else this.#forget(window);
    }
  }

  #load(index: number, piece: number, segment: number): Window | undefined {
    const { memory, pieceLength, segmentBytes, totalLength } = this.#options;
    const buffer = memory.take(segmentBytes);
    if (buffer === undefined) return undefined;
    const offset = piece * pieceLength + segment * segmentBytes;
    const end = Math.min(piece * pieceLength + pieceLength, totalLength);
    const length = Math.min(segmentBytes, end - offset);
    const window: Window = {
      owner: this,
      index,
      memory: buffer,
      length,
      users: 0,
      waiting: [],
      error: undefined,
    };
    this.#windows.set(index, window);
    memory.touch(window);
    this.#options.readBytes(offset, buffer.subarray(0, length)).then(
      () => this.#loaded(window, undefined),
      (error: unknown) => this.#loaded(window, diskOperationError(error, 'read', this.#options.path)),
    );
    return window;
  }

  #loaded(window: Window, error: OperationError | undefined): void {
    window.error = error;
    const waiting = window.waiting ?? [];
    window.waiting = undefined;
    if (error !== undefined) this.#forget(window);
    for (const serve of waiting) serve();
  }

  #serve(window: Window, from: number, length: number, done: ReadDone): void {
    if (window.error !== undefined) {
      this.#leave(window);
      done(window.error, undefined, undefined);
      return;
    }
    let isReleased = false;
    done(undefined, window.memory.subarray(from, from + length), () => {
      if (isReleased) return;
      isReleased = true;
      this.#leave(window);
    });
  }

  /** A window that was forgotten while in use gives its memory back when the last user leaves. */
  #leave(window: Window): void {
    window.users--;
    if (window.users === 0 && this.#windows.get(window.index) !== window) {
      this.#options.memory.give(window.memory);
    }
  }

  #forget(window: Window): void {
    if (this.#windows.get(window.index) === window) this.#windows.delete(window.index);
    this.#options.memory.remove(window);
  }

  /** Not worth a window, or no room for one: slow readers must not stop the others. */
  #readApart(piece: number, begin: number, length: number, done: ReadDone): void {
    const bytes = new Uint8Array(length);
    this.#options.readBytes(piece * this.#options.pieceLength + begin, bytes).then(
      () => done(undefined, bytes, () => {}),
      (error: unknown) => done(diskOperationError(error, 'read', this.#options.path), undefined, undefined),
    );
  }
}
