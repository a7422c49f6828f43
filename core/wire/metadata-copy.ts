// One attempt at the info dictionary: its pieces, who sent each, and how often each is being asked for.
import { bytesEqual } from '../base/bytes.ts';
import { METADATA_PIECE_BYTES, metadataPieceCount } from './ut-metadata.ts';

/** When everything left is asked for, idle peers are asked too: 16 KiB twice is cheaper than waiting for a slow one. */
const MAX_ASKED_AT_ONCE = 3;

export class MetadataCopy<Peer> {
  readonly size: number;
  /** Only this peer's bytes go in; undefined: everybody's. */
  readonly only: Peer | undefined;
  readonly pieces: (Uint8Array | undefined)[];
  readonly #from: (Peer | undefined)[];
  readonly #askedAt: Uint8Array;
  #missing: number;
  storedBytes = 0;

  constructor(size: number, only: Peer | undefined) {
    this.size = size;
    this.only = only;
    this.#missing = metadataPieceCount(size);
    this.pieces = new Array<Uint8Array | undefined>(this.#missing).fill(undefined);
    this.#from = new Array<Peer | undefined>(this.#missing).fill(undefined);
    this.#askedAt = new Uint8Array(this.#missing);
  }

  get isComplete(): boolean {
    return this.#missing === 0;
  }
  get fraction(): number {
    return 1 - this.#missing / this.pieces.length;
  }

  /** @returns 0 for a piece that is not there */
  lengthOf(piece: number): number {
    return Math.max(0, Math.min(METADATA_PIECE_BYTES, this.size - piece * METADATA_PIECE_BYTES));
  }

  /** Bytes for a piece that is there already are let go: they came twice because two were asked. */
  store(piece: number, bytes: Uint8Array, from: Peer): void {
    if (this.pieces[piece] !== undefined) return;
    this.storedBytes += bytes.length;
    this.pieces[piece] = bytes;
    this.#from[piece] = from;
    this.#missing--;
  }

  /** The missing piece that the fewest are asked for; -1 when there is none. @param isAsked of the asking peer itself */
  pick(isAsked: (piece: number) => boolean): number {
    let best = -1;
    let fewest = MAX_ASKED_AT_ONCE;
    for (let piece = 0; piece < this.pieces.length && fewest > 0; piece++) {
      const asked = this.#askedAt[piece] as number;
      if (asked >= fewest || this.pieces[piece] !== undefined || isAsked(piece)) continue;
      best = piece;
      fewest = asked;
    }
    return best;
  }

  ask(piece: number): void {
    (this.#askedAt[piece] as number)++;
  }
  unask(piece: number): void {
    (this.#askedAt[piece] as number)--;
  }

  /** Takes over what `peer` sent for another copy. */
  adopt(other: MetadataCopy<Peer>, peer: Peer): void {
    for (let piece = 0; piece < this.pieces.length; piece++) {
      const bytes = other.pieces[piece];
      if (bytes !== undefined && other.#from[piece] === peer) this.store(piece, bytes, peer);
    }
  }

  senders(): Set<Peer> {
    return new Set(this.#from.filter((peer) => peer !== undefined));
  }

  /** @param truth of the same size, complete */
  sendersThatDifferFrom(truth: MetadataCopy<Peer>): Set<Peer> {
    const liars = new Set<Peer>();
    for (let piece = 0; piece < this.pieces.length; piece++) {
      const bytes = this.pieces[piece];
      const from = this.#from[piece];
      if (bytes !== undefined && from !== undefined && !bytesEqual(bytes, truth.pieces[piece] as Uint8Array))
        liars.add(from);
    }
    return liars;
  }
}
