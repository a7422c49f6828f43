// What the ledger remembers of one peer: its requests as a count, the block arriving from it, the requests it was let off.
import type { Bitfield } from '../base/bitfield.ts';
import type { OpenPiece } from './open-piece.ts';
import type { PeerSpeed } from './picker-types.ts';

/** Requests given up or cancelled whose data may still come: more than a pipeline is deep is never in flight. */
const LATE_LIMIT = 512;

export class PeerBook {
  readonly id: number;
  outstanding = 0;
  /** As of its last pick. Snubbed counts as slow. */
  speed: PeerSpeed = 'medium';
  /** Where its payload is being written. */
  arrival: { readonly open: OpenPiece; readonly block: number } | undefined;
  /** The piece it leads and took from last. */
  current: OpenPiece | undefined;
  /** Best waiting pieces found by its last exhaustive search, best last. */
  candidates: number[] = [];
  candidatesAtMs = 0;
  /** Its last exhaustive search found nothing, with so many pieces of its own, at this count of pieces put back. */
  dry: { readonly pieceCount: number; readonly returns: number } | undefined;
  /** Of its run of neighbouring pieces. */
  lastOpened = -1;
  runBytes = 0;
  readonly #late = new Set<number>();

  constructor(id: number) {
    this.id = id;
  }

  /** @param key piece x blocks per piece + block */
  addLate(key: number): void {
    if (this.#late.size >= LATE_LIMIT) {
      for (const oldest of this.#late) {
        this.#late.delete(oldest);
        break;
      }
    }
    this.#late.add(key);
  }

  /** @returns whether it was there */
  takeLate(key: number): boolean {
    return this.#late.delete(key);
  }

  isDry(pieces: Bitfield, returns: number): boolean {
    return this.dry?.pieceCount === pieces.count && this.dry.returns === returns;
  }
}
