// A seed's advice (BEP 6 suggest): pieces that no peer has yet, each to one peer, so that the first copy of everything leaves
// the seed once and not as often as peers happen to choose alike. Silent as soon as every piece has been copied.
import { type Rng, shuffle } from '../base/clock.ts';
import { BLOCK_BYTES } from '../metainfo/layout.ts';
import { INITIAL_DEPTH } from './pipeline.ts';
import type { SwarmPeer } from './swarm-peer.ts';
import type { SwarmCommons } from './swarm-types.ts';

/** What a peer is ahead with; a receiver need not look at more (BEP 6 sets no number). */
const MAX_AHEAD = 16;

export class Suggester {
  readonly #commons: SwarmCommons;
  readonly #rng: Rng;
  readonly #ahead: number;
  /** Every piece once, shuffled; made when first needed. */
  #order: number[] | undefined = undefined;
  #cursor = 0;
  /** To whom a piece was suggested that was nobody's then. */
  readonly #takers = new Map<number, SwarmPeer>();
  /** A whole round found nothing; wait until somebody lets go of something. */
  #isExhausted = false;

  constructor(commons: SwarmCommons, rng: Rng) {
    this.#commons = commons;
    this.#rng = rng;
    const openedAtOnce = Math.ceil((INITIAL_DEPTH * BLOCK_BYTES) / commons.layout.pieceLength);
    this.#ahead = Math.min(MAX_AHEAD, openedAtOnce + 1);
  }

  /** Just before its unchoke: the peer chooses at once. */
  handleUnchoke(peer: SwarmPeer): void {
    this.#fill(peer);
  }

  handleRequest(peer: SwarmPeer, piece: number): void {
    const index = peer.suggestedOut.indexOf(piece);
    if (index < 0) return;
    peer.suggestedOut.splice(index, 1);
    this.#fill(peer);
  }

  /** It was choked or is gone: what it was to take is open again. */
  release(peer: SwarmPeer): void {
    for (const piece of peer.suggestedOut.splice(0)) this.#takers.delete(piece);
    this.#isExhausted = false;
  }

  #fill(peer: SwarmPeer): void {
    const { picker } = this.#commons;
    if (!peer.facts.hasFast || peer.isEnding || !picker.have.isFull) return;
    while (peer.suggestedOut.length < this.#ahead && !this.#isExhausted) {
      const piece = this.#next(peer);
      if (piece < 0) return;
      this.#takers.set(piece, peer);
      peer.suggestedOut.push(piece);
      peer.port.sendSuggest(piece);
    }
  }

  /** The next piece in the round that nobody has and nobody is getting; -1 = none. */
  #next(peer: SwarmPeer): number {
    const { picker, layout } = this.#commons;
    this.#order ??= shuffle(
      this.#rng,
      Array.from({ length: layout.pieceCount }, (_, piece) => piece),
    );
    for (let step = 0; step < layout.pieceCount; step++) {
      const piece = this.#order[this.#cursor] as number;
      this.#cursor = (this.#cursor + 1) % layout.pieceCount;
      if (picker.availabilityOf(piece) > 0) {
        this.#takers.delete(piece);
        continue;
      }
      const taker = this.#takers.get(piece);
      const isTaken = taker !== undefined && !taker.isEnding && (taker === peer || !taker.amChoking);
      if (!isTaken) return piece;
    }
    this.#isExhausted = true;
    return -1;
  }
}
