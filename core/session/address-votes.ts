// How the outside sees us, by vote: a single liar cannot move the result. Pure.
import { isIPv6, normalizeHost } from '../base/endpoint.ts';
import { operatorPrefix } from '../relay/addresses.ts';

/** Newest voters count; older ones are forgotten first. */
const MAX_VOTERS = 100;

export class AddressVotes {
  /** voter -> what he says; one network (/16, IPv6: /32) has one voice a family, whatever peers and relays are in it. */
  readonly #votes = new Map<string, string>();

  vote(address: string, voter: string): void {
    const host = normalizeHost(address);
    if (host === undefined) return;
    const key = `${isIPv6(host) ? 6 : 4} ${operatorPrefix(voter)}`;
    this.#votes.delete(key);
    this.#votes.set(key, host);
    if (this.#votes.size > MAX_VOTERS) this.#votes.delete(this.#votes.keys().next().value as string);
  }

  /** Most voted first. */
  ranked(): string[] {
    const counts = new Map<string, number>();
    for (const host of this.#votes.values()) counts.set(host, (counts.get(host) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]).map(([host]) => host);
  }

  winner(family: 4 | 6): string | undefined {
    return this.ranked().find((host) => isIPv6(host) === (family === 6));
  }
}
