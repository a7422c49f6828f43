// The sliding window of a reader: pieces to take in order, from the first one it still lacks.
import type { SequentialWindow } from './picker-types.ts';

export class Sequential {
  readonly #pieceCount: number;
  readonly #isNeeded: (piece: number) => boolean;
  #window: SequentialWindow | undefined;
  #head = 0;

  constructor(pieceCount: number, isNeeded: (piece: number) => boolean) {
    this.#pieceCount = pieceCount;
    this.#isNeeded = isNeeded;
  }

  get isOn(): boolean {
    return this.#window !== undefined;
  }

  set(window: SequentialWindow | undefined): void {
    this.#window = window;
    this.#head = Math.max(0, window?.fromPiece ?? 0);
  }

  /** A piece is missing (again): the window may have to go back to it. */
  noteMissing(piece: number): void {
    if (this.#window !== undefined && piece >= this.#window.fromPiece && piece < this.#head)
      this.#head = piece;
  }

  /** Anything may be missing again. */
  rewind(): void {
    this.set(this.#window);
  }

  /** The first missing piece: what the reader waits for. @returns pieceCount when nothing is missing */
  head(): number {
    while (this.#head < this.#pieceCount && !this.#isNeeded(this.#head)) this.#head++;
    return this.#head;
  }

  /** First piece behind the window. */
  end(): number {
    return Math.min(this.#pieceCount, this.head() + (this.#window?.windowPieces ?? 0));
  }
}
