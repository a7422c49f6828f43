// Our own address as others see it (BEP 42 `ip`): a vote in which every /24 (IPv6: /48) has one voice, so that nobody with
// one subnet decides our id.
import type { DhtAddress, Family } from '../base/address.ts';

/** A voter's place is one of a few, so that a vote touches one line of memory: every answer votes. */
const SETS = 8;
const WAYS = 4;
/** Fewer prove nothing. */
const MIN_AGREEING = 4;

/** Words of one vote: voter, order of arrival (0: free), the address seen. */
const VOTER = 0;
const ORDER = 1;
const SEEN = 2;

export class ExternalAddress {
  readonly #ipWords: number;
  readonly #stride: number;
  readonly #votes: Int32Array;
  #count = 0;
  #order = 0;
  #winner: DhtAddress | undefined;
  /** Votes for the winner, as of the last one; 0 after a vote for somebody else. */
  #agreeing = 0;

  constructor(family: Family) {
    this.#ipWords = family === 4 ? 1 : 4;
    this.#stride = SEEN + this.#ipWords;
    this.#votes = new Int32Array(SETS * WAYS * this.#stride);
  }

  get address(): DhtAddress | undefined {
    return this.#winner;
  }

  /** Would this vote change nothing: all places are taken, and all who sit there see us as this one does? */
  isSettled(bytes: Uint8Array, at: number): boolean {
    return this.#agreeing === SETS * WAYS && this.#winner?.isHostAt(bytes, at) === true;
  }

  /** Both of the family this was made for. @returns true when the winner has changed */
  vote(from: DhtAddress, seen: DhtAddress): boolean {
    if (seen.family !== from.family || seen.scope !== 'global' || from.scope !== 'global') return false;
    this.#put(from.family === 4 ? from.w0 >>> 8 : subnetWord(from.w0, from.w1 >>> 16), seen);
    const agreeing = this.#countAgreeing(seen);
    if (this.#winner?.sameHost(seen)) {
      this.#agreeing = agreeing;
      return false;
    }
    this.#agreeing = 0;
    if (agreeing < MIN_AGREEING || agreeing * 2 <= this.#count) return false;
    this.#agreeing = agreeing;
    this.#winner = seen;
    return true;
  }

  #countAgreeing(seen: DhtAddress): number {
    let agreeing = 0;
    const votes = this.#votes;
    for (let at = 0; at < votes.length; at += this.#stride)
      if (votes[at + ORDER] !== 0 && this.#hasSeen(at, seen)) agreeing++;
    return agreeing;
  }

  /** In place of the voter's last vote, or of the oldest in its set. */
  #put(voter: number, seen: DhtAddress): void {
    const votes = this.#votes;
    const stride = this.#stride;
    let place = (Math.imul(voter, 0x9e3779b1) >>> 29) * WAYS * stride;
    for (let way = 0, at = place; way < WAYS; way++, at += stride) {
      if (votes[at + ORDER] !== 0 && votes[at + VOTER] === voter) {
        place = at;
        break;
      }
      if ((votes[at + ORDER] as number) < (votes[place + ORDER] as number)) place = at;
    }
    if (votes[place + ORDER] === 0) this.#count++;
    votes[place + VOTER] = voter;
    votes[place + ORDER] = ++this.#order;
    votes[place + SEEN] = seen.w0;
    if (this.#ipWords === 1) return;
    votes[place + SEEN + 1] = seen.w1;
    votes[place + SEEN + 2] = seen.w2;
    votes[place + SEEN + 3] = seen.w3;
  }

  #hasSeen(at: number, address: DhtAddress): boolean {
    const votes = this.#votes;
    return (
      votes[at + SEEN] === address.w0 &&
      (this.#ipWords === 1 ||
        (votes[at + SEEN + 1] === address.w1 &&
          votes[at + SEEN + 2] === address.w2 &&
          votes[at + SEEN + 3] === address.w3))
    );
  }
}

/** 48 bits folded into a word: two subnets that fold alike share a voice, which gives neither more. */
function subnetWord(high: number, low: number): number {
  return (Math.imul(high, 0x9e3779b1) ^ low) | 0;
}
