// Bytes of a web seed's answers, in the order of asking, cut into blocks; padding files (BEP 47) are zeros and never asked for. Pure.
import { BLOCK_BYTES, type PieceLayout } from '../metainfo/layout.ts';
import type { AskQueue } from './ask-queue.ts';
import type { FileSpans } from './file-spans.ts';

export interface BlockSink {
  onBlockStart(piece: number, begin: number, length: number): void;
  /** Bytes of the block, `at` from its begin; a view, to be used before returning. */
  onBlockBytes(bytes: Uint8Array, at: number): void;
  onBlockEnd(piece: number, begin: number, length: number): void;
}

const ZEROS = new Uint8Array(BLOCK_BYTES);

export class BlockArrivals {
  readonly #layout: PieceLayout;
  readonly #spans: FileSpans;
  readonly #asks: AskQueue;
  readonly #sink: BlockSink;
  /** The block that is arriving, by its first byte in the torrent; -1 when none is. */
  #arriving = -1;
  /** Changes when what was asked is forgotten: whoever is in the middle of it stops. */
  #epoch = 0;

  constructor(layout: PieceLayout, spans: FileSpans, asks: AskQueue, sink: BlockSink) {
    this.#layout = layout;
    this.#spans = spans;
    this.#asks = asks;
    this.#sink = sink;
  }

  /** The block under way will not be completed. */
  reset(): void {
    this.#arriving = -1;
    this.#epoch++;
  }

  /** The bytes that come next. */
  deliver(bytes: Uint8Array): void {
    const epoch = this.#epoch;
    const layout = this.#layout;
    for (let taken = 0; taken < bytes.length; ) {
      const at = this.#asks.arrivalAt;
      if (at === undefined) return;
      const piece = Math.floor(at / layout.pieceLength);
      const within = at - layout.pieceOffset(piece);
      const block = Math.floor(within / BLOCK_BYTES);
      const begin = block * BLOCK_BYTES;
      const length = layout.blockSize(piece, block);
      const first = at - within + begin;
      if (within === begin) {
        this.#arriving = first;
        this.#sink.onBlockStart(piece, begin, length);
        if (epoch !== this.#epoch) return;
      }
      const count = Math.min(begin + length - within, bytes.length - taken);
      const isWhole = within + count === begin + length;
      // Else its begin was given up with an earlier answer.
      const isOurs = this.#arriving === first;
      if (isOurs) this.#sink.onBlockBytes(bytes.subarray(taken, taken + count), within - begin);
      this.#asks.noteArrived(count);
      taken += count;
      if (!isWhole || !isOurs) continue;
      this.#arriving = -1;
      this.#asks.settle(first);
      this.#sink.onBlockEnd(piece, begin, length);
      if (epoch !== this.#epoch) return;
    }
  }

  /** Whatever comes next and lies in padding. */
  fillPadding(): void {
    const epoch = this.#epoch;
    while (epoch === this.#epoch) {
      const at = this.#asks.arrivalAt;
      if (at === undefined) return;
      const file = this.#spans.at(at);
      if (!file.isPadding) return;
      const left = Math.min(this.#asks.arrivalLeft, file.offset + file.length - at, ZEROS.length);
      this.deliver(ZEROS.subarray(0, left));
    }
  }
}
