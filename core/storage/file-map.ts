// Which bytes of the torrent lie in which file, found by binary search. Padding has no file: its bytes are zeros.
import type { StoreConfig } from './store-config.ts';

/** `file` of a span that is padding. */
export const PADDING = -1;

export interface Span {
  /** File index, or PADDING. */
  readonly file: number;
  readonly fileOffset: number;
  readonly length: number;
  /** Of its first byte in the range asked for. */
  readonly at: number;
}

export class FileMap {
  readonly #config: StoreConfig;
  /** Indices of the files that hold bytes, in the order of their offsets. */
  readonly #order: readonly number[];

  constructor(config: StoreConfig) {
    this.#config = config;
    const order: number[] = [];
    config.files.forEach((file, index) => {
      if (file.length > 0) order.push(index);
    });
    this.#order = order;
  }

  /** Covers [offset, offset + length) without gaps, in order. The range must lie inside the torrent. */
  spans(offset: number, length: number): Span[] {
    const spans: Span[] = [];
    const { files } = this.#config;
    let at = 0;
    for (let i = this.#find(offset); at < length && i < this.#order.length; i++) {
      const index = this.#order[i] as number;
      const file = files[index] as (typeof files)[number];
      const fileOffset = offset + at - file.offset;
      const take = Math.min(length - at, file.length - fileOffset);
      spans.push({ file: file.kind === 'file' ? index : PADDING, fileOffset, length: take, at });
      at += take;
    }
    return spans;
  }

  /** Indices of the files (no padding) whose bytes this piece holds. */
  filesOfPiece(piece: number): number[] {
    const start = piece * this.#config.pieceLength;
    const length = Math.min(this.#config.pieceLength, this.#config.totalLength - start);
    const found: number[] = [];
    for (const span of this.spans(start, length)) if (span.file !== PADDING) found.push(span.file);
    return found;
  }

  /** Pieces [first, end) that hold bytes of this file; empty for an empty file. */
  piecesOfFile(index: number): { readonly first: number; readonly end: number } {
    const file = this.#config.files[index];
    if (file === undefined || file.length === 0) return { first: 0, end: 0 };
    const { pieceLength } = this.#config;
    return {
      first: Math.floor(file.offset / pieceLength),
      end: Math.floor((file.offset + file.length - 1) / pieceLength) + 1,
    };
  }

  /** Position in `#order` of the file that holds the byte at `offset`. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#order.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#config.files[this.#order[middle] as number]?.offset as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
