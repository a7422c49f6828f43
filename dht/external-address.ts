// Our own address as others see it (BEP 42 `ip`): a vote in which every /24 (IPv6: /48) has one voice, so that nobody with
// one subnet decides our id.
import type { DhtAddress } from './address.ts';

/** Old votes go first. */
const MAX_VOTES = 32;
/** Fewer prove nothing. */
const MIN_AGREEING = 4;

/** Words of one vote: voter, order of arrival, the address seen. */
const STRIDE = 6;

export class ExternalAddress {
  /** All votes in one array: every answer votes, and a list of objects would be most of what an answer touches. */
  readonly #votes = new Int32Array(MAX_VOTES * STRIDE);
  #count = 0;
  #order = 0;
  #winner: DhtAddress | undefined;

  get address(): DhtAddress | undefined {
    return this.#winner;
  }

  /** @returns true when the winner has changed */
  vote(from: DhtAddress, seen: DhtAddress): boolean {
    if (seen.family !== from.family || seen.scope !== 'global' || from.scope !== 'global') return false;
    this.#put(from.family === 4 ? from.w0 >>> 8 : subnetWord(from.w0, from.w1 >>> 16), seen);
    let agreeing = 0;
    for (let at = 0; at < this.#count * STRIDE; at += STRIDE) if (this.#hasSeen(at, seen)) agreeing++;
    if (agreeing < MIN_AGREEING || agreeing * 2 <= this.#count) return false;
    if (this.#winner?.sameHost(seen)) return false;
    this.#winner = seen;
    return true;
  }

  /** In place of the voter's last vote, or of the oldest of all. */
  #put(voter: number, seen: DhtAddress): void {
    const votes = this.#votes;
    const end = this.#count * STRIDE;
    let place = 0;
    let at = 0;
    for (; at < end && votes[at] !== voter; at += STRIDE)
      // A difference, since the count may wrap.
      if ((((votes[at + 1] as number) - (votes[place + 1] as number)) | 0) < 0) place = at;
    if (at < end) place = at;
    else if (this.#count < MAX_VOTES) place = this.#count++ * STRIDE;
    votes[place] = voter;
    votes[place + 1] = this.#order++;
    votes[place + 2] = seen.w0;
    votes[place + 3] = seen.w1;
    votes[place + 4] = seen.w2;
    votes[place + 5] = seen.w3;
  }

  #hasSeen(at: number, address: DhtAddress): boolean {
    const votes = this.#votes;
    return (
      votes[at + 2] === address.w0 &&
      votes[at + 3] === address.w1 &&
      votes[at + 4] === address.w2 &&
      votes[at + 5] === address.w3
    );
  }
}

/** 48 bits folded into a word: two subnets that fold alike share a voice, which gives neither more. */
function subnetWord(high: number, low: number): number {
  return (Math.imul(high, 0x9e3779b1) ^ low) | 0;
}
