// Verified bytes of one file on their way out, in order: waits for the piece it needs, reads it, hands it on, and holds the
// download back while whoever takes the bytes is behind. Knows no session and no stream: both come in as functions.
import type { ByteRangeText } from '../base/parse.ts';

/** Bytes of a file, [first, end). */
export interface ByteRange {
  readonly first: number;
  readonly end: number;
}

/** @returns undefined when the range lies behind the file */
export function rangeOf(text: ByteRangeText | undefined, length: number): ByteRange | undefined {
  if (text === undefined) return { first: 0, end: length };
  if ('lastBytes' in text) return { first: Math.max(0, length - text.lastBytes), end: length };
  if (text.first >= length) return undefined;
  return { first: text.first, end: Math.min(length, (text.last ?? length - 1) + 1) };
}

/** Pieces [first, end) that hold the range of a file that begins at `offset` in the torrent. */
export function piecesOf(
  offset: number,
  range: ByteRange,
  pieceLength: number,
): { readonly first: number; readonly end: number } {
  if (range.end <= range.first) return { first: 0, end: 0 };
  return {
    first: Math.floor((offset + range.first) / pieceLength),
    end: Math.floor((offset + range.end - 1) / pieceLength) + 1,
  };
}

/** One read and one write; memory held at a time. */
const CHUNK_BYTES = 1 << 20;
/** So far ahead of the reader the swarm may run; then it waits until half of it is gone. */
const MOST_AHEAD_BYTES = 64 << 20;

export interface CatPort {
  /** Fills `into` with bytes of the file from `position`. @throws the file system's error */
  read(position: number, into: Uint8Array): Promise<void>;
  /** Resolves when whoever reads has taken them. */
  write(bytes: Uint8Array): Promise<void>;
  /** Whether more shall be fetched for now. */
  setFetching(isOn: boolean): void;
}

export interface CatOptions {
  readonly offset: number;
  readonly range: ByteRange;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly port: CatPort;
}

export class CatStream {
  readonly #options: CatOptions;
  readonly #have: Uint8Array;
  /** Pieces of the range that are there, from the reader's on. */
  #readyEnd: number;
  #position: number;
  #isFetching = true;
  #wake: () => void = () => {};
  #isStopped = false;

  constructor(options: CatOptions) {
    this.#options = options;
    this.#have = new Uint8Array(options.pieceCount);
    this.#position = options.range.first;
    this.#readyEnd = this.#pieceAt(this.#position);
  }

  get writtenBytes(): number {
    return this.#position - this.#options.range.first;
  }

  /** @param bits BEP 3 order: what is there at the start */
  addPieces(bits: Uint8Array): void {
    for (let piece = 0; piece < this.#have.length; piece++) {
      if ((((bits[piece >> 3] ?? 0) >> (7 - (piece & 7))) & 1) === 1) this.#have[piece] = 1;
    }
    this.#advance();
  }

  addPiece(piece: number): void {
    this.#have[piece] = 1;
    this.#advance();
  }

  /** Ends `run` soon: nobody reads any more. */
  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  /** @returns true when all of the range was taken, false when it was stopped */
  async run(): Promise<boolean> {
    const { range, port } = this.#options;
    const buffer = new Uint8Array(CHUNK_BYTES);
    while (this.#position < range.end) {
      const readyBytes = this.#readyBytes();
      if (this.#isStopped) return false;
      if (readyBytes === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, readyBytes));
      await port.read(this.#position, chunk);
      if (this.#isStopped) return false;
      await port.write(chunk);
      if (this.#isStopped) return false;
      this.#position += chunk.length;
      this.#hold();
    }
    return true;
  }

  #pieceAt(position: number): number {
    return Math.floor((this.#options.offset + position) / this.#options.pieceLength);
  }

  #advance(): void {
    while (this.#readyEnd < this.#have.length && this.#have[this.#readyEnd] === 1) this.#readyEnd++;
    this.#hold();
    this.#wake();
  }

  /** Bytes from the reader's place on that are verified without a gap. */
  #readyBytes(): number {
    const { offset, range, pieceLength } = this.#options;
    return Math.max(0, Math.min(range.end, this.#readyEnd * pieceLength - offset) - this.#position);
  }

  #hold(): void {
    const ahead = this.#readyBytes();
    const isOn = this.#isFetching ? ahead <= MOST_AHEAD_BYTES : ahead < MOST_AHEAD_BYTES / 2;
    if (isOn === this.#isFetching) return;
    this.#isFetching = isOn;
    this.#options.port.setFetching(isOn);
  }
}
