// Our own address as others see it (BEP 42 `ip`): a vote in which every /24 (IPv6: /48) has one voice, so that nobody with
// one subnet decides our id.
import type { DhtAddress } from './address.ts';

/** Old votes go first. */
const MAX_VOTES = 32;
/** Fewer prove nothing. */
const MIN_AGREEING = 4;

interface Vote {
  readonly voter: number | string;
  readonly address: DhtAddress;
}

export class ExternalAddress {
  readonly #votes: Vote[] = [];
  #winner: DhtAddress | undefined;

  get address(): DhtAddress | undefined {
    return this.#winner;
  }

  /** @returns true when the winner has changed */
  vote(from: DhtAddress, seen: DhtAddress): boolean {
    if (seen.family !== from.family || seen.scope !== 'global' || from.scope !== 'global') return false;
    const voter = from.family === 4 ? from.w0 >>> 8 : `${from.w0},${from.w1 >>> 16}`;
    const held = this.#votes.findIndex((vote) => vote.voter === voter);
    if (held >= 0) this.#votes.splice(held, 1);
    else if (this.#votes.length >= MAX_VOTES) this.#votes.shift();
    this.#votes.push({ voter, address: seen });
    const agreeing = this.#votes.filter((vote) => vote.address.sameHost(seen)).length;
    if (agreeing < MIN_AGREEING || agreeing * 2 <= this.#votes.length) return false;
    const hasChanged = this.#winner === undefined || !this.#winner.sameHost(seen);
    this.#winner = seen;
    return hasChanged;
  }
}
