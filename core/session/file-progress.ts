// Which files are complete, and how much a piece matters: the map between pieces and files. Pure arithmetic.
import type { Bitfield } from '../base/bitfield.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';
import type { FilePriority } from './snapshot.ts';

/** Files touch pieces from `first` to `last`; both -1 for an empty file. */
interface Span {
  readonly first: number;
  readonly last: number;
}

export class FileProgress {
  readonly #metainfo: Metainfo;
  readonly #spans: readonly Span[];
  /** Pieces still missing, by file. */
  readonly #missing: Int32Array;

  constructor(metainfo: Metainfo, have: Bitfield) {
    this.#metainfo = metainfo;
    const { pieceLength } = metainfo.layout;
    this.#spans = metainfo.files.map(({ offset, length }) =>
      length === 0
        ? { first: -1, last: -1 }
        : { first: Math.floor(offset / pieceLength), last: Math.floor((offset + length - 1) / pieceLength) },
    );
    this.#missing = Int32Array.from(this.#spans, ({ first, last }) => {
      let missing = 0;
      for (let piece = first; first >= 0 && piece <= last; piece++) if (!have.has(piece)) missing++;
      return missing;
    });
  }

  /** @returns the files that this piece completes */
  pieceVerified(piece: number): number[] {
    const completed: number[] = [];
    for (let file = this.#firstFileOf(piece); file < this.#spans.length; file++) {
      const { first, last } = this.#spans[file] as Span;
      if (first > piece) break;
      if (first < 0 || last < piece) continue;
      const missing = (this.#missing[file] as number) - 1;
      this.#missing[file] = missing;
      if (missing === 0 && this.#metainfo.files[file]?.isPadding === false) completed.push(file);
    }
    return completed;
  }

  /** A piece is as wanted as the most wanted file it touches; padding wants nothing. */
  piecePriorities(byFile: readonly FilePriority[]): FilePriority[] {
    const { pieceCount } = this.#metainfo.layout;
    const priorities = new Array<FilePriority>(pieceCount).fill(0);
    for (const { index, isPadding } of this.#metainfo.files) {
      const { first, last } = this.#spans[index] as Span;
      const priority = byFile[index] ?? 4;
      if (isPadding || first < 0) continue;
      for (let piece = first; piece <= last; piece++) {
        if (priority > (priorities[piece] as number)) priorities[piece] = priority;
      }
    }
    return priorities;
  }

  /** Binary search: the first file whose end lies beyond the piece's begin. Empty files on the way are passed over. */
  #firstFileOf(piece: number): number {
    const begin = piece * this.#metainfo.layout.pieceLength;
    const { files } = this.#metainfo;
    let low = 0;
    let high = files.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const file = files[middle];
      if (file !== undefined && file.offset + file.length <= begin) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
